"""A junk or scam short message that somebody got becomes an ``S`` or ``LD`` report."""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

import phonenumbers

from ivr.errors import InputError
from ivr.facts.replies import ReportedMessage
from ivr.facts.reports import Channel, Report
from ivr.reporting.case_words import local_time
from ivr.reporting.compose import Filing, NotFiled, report_id
from ivr.reporting.gsm import BASIC, Segments, segments
from ivr.reporting.numbers import as_filed, is_own
from ivr.reporting.recipients import Recipient
from ivr.reporting.sms import Form, short_message
from ivr.settings import ReportingSettings

TEMPLATE_SHA256: Final = hashlib.sha256(b"S/LD report of a short message, version 1").hexdigest()
LONGEST_TEXT: Final = 4_000
"""Letters of a reported message: 255 parts would be 17,000, but nobody reports those."""
_LONGEST_BRAND: Final = 11  # 3GPP TS 23.040, 9.1.2.5: an alphanumeric address
_NUMBER: Final = re.compile(r"[+0-9][0-9\s.\-()]*")
_BRAND: Final = BASIC - set("()\r\n")
_DIGITS: Final = re.compile(r"\+?\d(?:[\s.\-()]*\d){6,}")
# A code that the citizen may still need must not leave the house.
_CODE: Final = re.compile(
    r"\b(otp|mã xác (?:thực|minh|nhận)|ma xac (?:thuc|minh|nhan)|verification code)"
    r"(\W+(?:(?:là|la|is|cua|của|ban|bạn|your)\W+)*)\d{4,8}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """How a message would be reported.

    Args:
        body: what is sent.
        sent: its parts.
        original: parts of the message as it was got, diacritics and all.
    """

    body: str
    sent: Segments
    original: Segments


def reported(
    keyword: Literal["S", "LD"],
    sender: str,
    text: str,
    received_at: datetime,
    entered_by: str,
    protected: Collection[str],
) -> ReportedMessage:
    """Check what somebody says they got.

    Args:
        sender: as the telephone shows it: a number in any spelling, a short code, or a name of at
            most 11 letters of the GSM alphabet, which is kept as it is.
        protected: numbers that must never be reported: the subscribers' and our own.

    Raises:
        InputError: no sender that could be reported, no text, or too much of it.
    """
    shown = unicodedata.normalize("NFC", sender).strip()
    number = as_filed(shown, None) if _NUMBER.fullmatch(shown) else None
    if number is None and not _is_brand(shown):
        raise _unusable(
            f"{sender!r} is neither a number nor a name of at most {_LONGEST_BRAND} plain letters",
            "Give the sender as the telephone shows it (--from).",
        )
    if number is not None and any(is_own(shown, own) for own in protected):
        raise _unusable("the sender is a number that is protected here", "Check --from.")
    words = unicodedata.normalize("NFC", text).strip()
    if not words or len(words) > LONGEST_TEXT:
        raise _unusable(
            f"its text has {len(words)} letters, not 1 to {LONGEST_TEXT}", "Give one message."
        )
    if received_at.tzinfo is None:
        raise _unusable("its time names no zone", "Write it as 2026-11-24T09:12:00+07:00.")
    message_id = ReportedMessage.id_of(number or shown, words, received_at)
    named = number or shown
    return ReportedMessage(
        message_id, keyword, named, _e164(number), words, received_at, entered_by
    )


def draft(
    message: ReportedMessage, settings: ReportingSettings, protected: Collection[str]
) -> Draft:
    """The report's text: always one GSM-7 part.

    Numbers and links in it stay, for they are what is reported; what does not fit is left out
    from the end, never in the middle of a word, link or number. Protected numbers and one-time
    codes are taken out.
    """
    is_named = message.number is None and not message.sender.isdigit()
    # A name of several words would run into the text where nothing parts the two.
    is_loose = settings.sms_form == "C" and is_named and " " in message.sender
    form: Form = "A" if is_loose else settings.sms_form
    body = short_message(
        message.keyword,
        message.sender,
        [_content(message.text, protected)],
        local_time(message.received_at),
        form,
        fallback="Tin nhan rac" if message.keyword == "S" else "Tin nhan co dau hieu lua dao",
        keeps_numbers=True,
    )
    return Draft(body, segments(body), segments(message.text))


def compose_message(
    message: ReportedMessage,
    recipients: Sequence[Recipient],
    settings: ReportingSettings,
    protected: Collection[str],
    today: date,
) -> Filing:
    """Reports to the short code in use; recipients that nothing may go to are said with the
    reason."""
    made, refused = [], []
    body = draft(message, settings, protected).body
    for each in recipients:
        if each.channel is not Channel.SMS or each.address != settings.sms_short_code:
            continue
        why = each.refusal(today, settings.verified_max_age_days)
        if why is not None:
            refused.append(NotFiled(each.id, each.channel, why))
            continue
        made.append(
            Report(
                report_id=report_id(message.message_id, each.id, each.channel, TEMPLATE_SHA256),
                case_id=message.message_id,
                channel=each.channel,
                recipient_id=each.id,
                address=each.address,
                subject="",
                body=body,
                attachments=(),
                template_sha256=TEMPLATE_SHA256,
                needs_release=each.filing == "confirm",
            )
        )
    return Filing(message.keyword, tuple(made), tuple(refused))


def _content(text: str, protected: Collection[str]) -> str:
    """NFKC, because such messages hide words behind letters of other alphabets' styles; without
    what cannot be seen."""
    shown = unicodedata.normalize("NFKC", text)
    seen = "".join(letter for letter in shown if unicodedata.category(letter) != "Cf")
    without = _DIGITS.sub(
        lambda found: " " if any(is_own(found[0], own) for own in protected) else found[0], seen
    )
    return _CODE.sub(r"\1\2***", without)


def _is_brand(sender: str) -> bool:
    letters = set(sender)
    return (
        0 < len(sender) <= _LONGEST_BRAND
        and letters <= _BRAND
        and any(letter.isalpha() for letter in letters)
    )


def _e164(number: str | None) -> str | None:
    if number is None:
        return None
    try:
        parsed = phonenumbers.parse(number, "VN")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _unusable(why: str, remedy: str) -> InputError:
    return InputError("The message cannot be reported.", why=why, remedy=remedy)
