"""Telephone numbers as networks show them → E.164, by Vietnam's numbering plan.

Own rules for +84, because libphonenumber refuses ranges in use (052, 055), knows nothing of the
2018 change of mobile prefixes and of what spoofed numbers look like; libphonenumber for all
other countries, where it is right.
"""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers

_SEPARATORS = re.compile(r"[\s.()\-\u00a0\u2010-\u2015/]+")
_MOBILE = re.compile(r"(3[2-9]|5[25689]|7[06-9]|8[1-9]|9[0-46-9])\d{7}")
_FIXED = re.compile(r"2\d{9}")
_FIXED_SHORT = re.compile(r"2\d{8}")  # one digit is missing: printed so in warnings of the press
_POLICE_ARMY = re.compile(r"69\d{5,8}")
_PARTY_STATE = re.compile(r"80\d{5,8}")
_PREMIUM = re.compile(r"1900\d{4,6}")
_FREE = re.compile(r"1800\d{4,6}")
_OLD_MOBILE = re.compile(r"1[2689]\d{8}")
_MAX_DIGITS = 15  # ITU-T E.164 section 6: country code and national number together
_EMERGENCY = re.compile(r"11[2-5]")

_AREA = re.compile(
    r"24|28|20[3-9]|21[0-68-9]|22[0-25-9]|23[2-9]|25[124-9]|26[0-39]|27[0-7]|29[0-4679]"
)
"""Area codes of fixed lines since 2017, as before the provinces were merged in 2025."""

MOVED_2018 = {
    "162": "32", "163": "33", "164": "34", "165": "35", "166": "36", "167": "37", "168": "38",
    "169": "39", "120": "70", "121": "79", "122": "77", "126": "76", "128": "78", "123": "83",
    "124": "84", "125": "85", "127": "81", "129": "82", "186": "56", "188": "58", "199": "59",
}  # fmt: skip
"""Eleven-digit mobile prefixes and what became of them (Ministry's plan of 2018)."""

MOVED_FROM = {new: old for old, new in MOVED_2018.items()}
"""Today's mobile prefixes that came of the move, and what they were before."""

UNEXPECTED_COUNTRIES = ("870", "601", "375", "371", "381", "563", "370", "255")
"""Assigned codes that warnings of Vietnamese police name as spoofed: unexpected, not invalid."""

CALLBACK_TRAPS = ("224", "231", "232", "247", "252")
"""Codes that warnings name for one-ring calls that lure into an expensive call back."""


@dataclass(frozen=True, slots=True)
class Number:
    """``e164`` is ``+…`` or None; ``flags`` say what is odd about the number."""

    e164: str | None
    flags: tuple[str, ...] = ()


def normalise(shown: str) -> Number:
    """E.164 form of a number as shown. Never raises; texts give ``Number(None)``.

    Flags: ``double_zero`` (trunk zero after +84), ``plus_zero`` (+0…), ``international_prefix``
    (00…), ``no_prefix`` (trunk zero missing), ``old_prefix`` (before the move of 2018),
    ``invalid``, ``police_army_range``, ``party_state_range``, ``premium_1900``, ``free_1800``,
    ``short_code``, ``emergency_number`` (112 to 115, which never call), ``impossible_length``
    (more digits than E.164 allows), ``unknown_area_code``, ``unexpected_country``,
    ``callback_trap``, ``foreign``.
    """
    text = unicodedata.normalize("NFKC", shown)
    text = _SEPARATORS.sub("", "".join(_plain_digit(char) for char in text))
    if not re.fullmatch(r"\+{0,2}[0-9]{1,64}", text):
        return Number(None)
    flags: list[str] = []
    plus, digits = text.startswith("+"), text.lstrip("+")
    if len(digits.lstrip("0")) > _MAX_DIGITS:
        return Number(None, ("invalid", "impossible_length"))
    if plus and digits.startswith("0"):
        flags.append("plus_zero")
    if digits.startswith("00"):
        flags.append("international_prefix")
        plus, digits = True, digits.lstrip("0")
    elif digits.startswith("0"):
        national = digits[1:]
        if flags and national.startswith("84"):  # +084…: the country code behind a stray zero
            return _vietnamese(national[2:], flags)
        return _vietnamese(national, flags)
    if digits.startswith("84") and (plus or len(digits) in (11, 12, 13)):
        return _vietnamese(digits[2:], flags)
    if plus:
        return _foreign(digits, flags)
    return _bare(digits, flags)


def significant_digits(text: str) -> str:
    """All decimal digits of a text in any script, as ASCII: to find a number hidden in it."""
    return "".join(char for char in map(_plain_digit, text) if char in "0123456789")


def _plain_digit(char: str) -> str:
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)


def _bare(digits: str, flags: list[str]) -> Number:
    """Neither plus nor zero in front."""
    if len(digits) <= 6:
        emergency = ("emergency_number",) if _EMERGENCY.fullmatch(digits) else ()
        return Number(None, (*flags, "short_code", *emergency))
    if _PREMIUM.fullmatch(digits) or _FREE.fullmatch(digits):
        return _vietnamese(digits, flags)
    if _MOBILE.fullmatch(digits) or _OLD_MOBILE.fullmatch(digits) or _FIXED.fullmatch(digits):
        return _vietnamese(digits, [*flags, "no_prefix"])
    return Number(None, (*flags, "invalid"))


def _vietnamese(national: str, flags: list[str]) -> Number:
    """``national``: what follows the country code or the trunk zero."""
    if national.startswith("0"):
        flags = [*flags, "double_zero"]
        national = national.lstrip("0")
    moved = MOVED_2018.get(national[:3])
    if moved and _OLD_MOBILE.fullmatch(national):
        flags = [*flags, "old_prefix"]
        national = moved + national[3:]
    if _POLICE_ARMY.fullmatch(national):
        flags = [*flags, "police_army_range"]
    elif _PARTY_STATE.fullmatch(national):
        flags = [*flags, "party_state_range"]
    elif _PREMIUM.fullmatch(national):
        flags = [*flags, "premium_1900"]
    elif _FREE.fullmatch(national):
        flags = [*flags, "free_1800"]
    elif _MOBILE.fullmatch(national):
        pass
    elif _FIXED.fullmatch(national):
        if not _AREA.match(national):
            flags = [*flags, "unknown_area_code"]
    elif _FIXED_SHORT.fullmatch(national) or len(national) in (9, 10):
        flags = [*flags, "invalid"]
    else:
        is_short = 0 < len(national) <= 6
        is_emergency = _EMERGENCY.fullmatch(national) is not None
        odd = ("short_code",) if is_short else ("invalid",)
        return Number(None, (*flags, *odd, *(("emergency_number",) if is_emergency else ())))
    return Number("+84" + national, tuple(flags))


def _foreign(digits: str, flags: list[str]) -> Number:
    if digits.startswith(UNEXPECTED_COUNTRIES):
        flags = [*flags, "unexpected_country"]
    elif digits.startswith(CALLBACK_TRAPS):
        flags = [*flags, "callback_trap"]
    else:
        flags = [*flags, "foreign"]
    try:
        parsed = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return Number(None, (*flags, "invalid"))
    if not phonenumbers.is_possible_number(parsed):
        return Number(None, (*flags, "invalid"))
    if not phonenumbers.is_valid_number(parsed):
        flags = [*flags, "invalid"]
    e164 = _formatted(parsed)
    if _formatted(phonenumbers.parse(e164, None)) != e164:  # it takes one zero after another away
        return Number("+" + digits, tuple(dict.fromkeys((*flags, "invalid"))))
    return Number(e164, tuple(flags))


def _formatted(parsed: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
