"""The offending number as a report writes it, and the rule that it is never the citizen's own."""

import re

import phonenumbers

_REGION = "VN"
_DISPLAYED = re.compile(r"(?:\+|00)?[0-9]{3,15}")
_OWN_DIGITS = 7  # fewer digits are no subscriber number; a chance match would block real reports


def as_filed(number: str | None, subscriber: str | None) -> str | None:
    """The number as the 156 channel wants it: ``0987654321``, foreign ones with ``+``.

    Args:
        number: E.164, or the text that was displayed.
        subscriber: the number that was called; a number that is it, or contains it, is never
            filed, however it is written.

    Returns:
        None when there is no number that could be filed.
    """
    if number is None or is_own(number, subscriber):
        return None
    compact = re.sub(r"[\s.\-()]", "", number)
    if not _DISPLAYED.fullmatch(compact):
        return None
    try:
        parsed = phonenumbers.parse(compact, _REGION)
    except phonenumbers.NumberParseException:
        return compact
    if not phonenumbers.is_possible_number(parsed):
        return compact  # as displayed: a number that cannot exist is a finding of its own
    if parsed.country_code != 84:
        return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    if compact.startswith(("+84", "0084")):
        return "0" + _significant(parsed)
    return compact


def is_own(number: str | None, subscriber: str | None) -> bool:
    """Whether a number is, or contains, the subscriber's own, in any spelling."""
    if number is None or subscriber is None:
        return False
    theirs = _core(subscriber)
    digits = re.sub(r"\D", "", number)
    if len(theirs) < _OWN_DIGITS:
        return bool(theirs) and digits == re.sub(r"\D", "", subscriber)
    return theirs in digits or _core(number) == theirs


def _core(number: str) -> str:
    """The digits that all spellings of a number share."""
    digits = re.sub(r"[^\d+]", "", number)
    try:
        return _significant(phonenumbers.parse(digits, _REGION))
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", number).lstrip("0")


def _significant(parsed: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.national_significant_number(parsed))
