"""Who calls, by what the network and the caller say. Pure: headers in, identities out.

Every identity header is kept raw. Only headers that can say who calls are ever chosen from, the
network's own only when they come from a trusted source, and the subscriber's number never: a
report that accuses the person it protects would be this product's worst failure.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence

from ivr.facts.call import Caller, Identity
from ivr.sip.message import SipMessage
from ivr.sip.name_addr import NameAddr, parse_name_addr, split_values
from ivr.telephony.numbers import Number, normalise, significant_digits

CONFIDENCE = {
    "From": 0.5,  # the caller writes it (RFC 3261 section 20.20)
    "P-Asserted-Identity": 0.9,  # the network asserts it (RFC 3325)
    "P-Preferred-Identity": 0.2,  # the caller wishes it (RFC 3325)
    "Remote-Party-ID": 0.7,  # the forerunner of RFC 3325, still sent by trunks
    "Identity": 0.3,  # STIR PASSporT (RFC 8224); its signature is not verified here
    "Diversion": 0.0,  # who was called before (RFC 5806)
    "History-Info": 0.0,  # who was called before (RFC 7044)
    "Call-Info": 0.0,
    "User-to-User": 0.0,
}
"""How far each header says who calls, when its source may be believed."""

_CALLER_HEADERS = frozenset(name for name, value in CONFIDENCE.items() if value > 0)
_SPOKEN_BY_CALLER = frozenset({"From", "P-Preferred-Identity"})
_ADDRESSES = frozenset(
    {
        "From",
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Remote-Party-ID",
        "Diversion",
        "History-Info",
    }
)
_CANONICAL = {name.casefold(): name for name in CONFIDENCE}
_ANONYMOUS = frozenset({"anonymous", "restricted", "unavailable", "unknown", "private", "an danh"})
_MIN_HIDDEN_DIGITS = 7
_LONGEST_HIDING_PLACE = 64
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_WITHHELD = re.compile(r"\b(privacy\s*=\s*(full|uri|name)|screen\s*=\s*no)\b", re.IGNORECASE)


def read_identities(message: SipMessage) -> tuple[Identity, ...]:
    """Every identity header of a message, one ``Identity`` a value, in order of appearance."""
    found: list[Identity] = []
    for header in message.headers:
        name = _CANONICAL.get(header.name.casefold())
        value = printable(header.value)
        if name in _ADDRESSES:
            # RFC 3261 section 20.20: From is one address, so a bare comma is part of its text.
            values = (value,) if name == "From" else split_values(value)
            found.extend(_read_address(name, part) for part in values or (value,))
        elif name == "Identity":
            found.append(_read_passport(value))
        elif name is not None or header.name[:2].casefold() == "x-":
            found.append(Identity(name or printable(header.name), value, None, None, 0.0))
    return tuple(found)


def printable(text: str) -> str:
    r"""The text with control characters and bytes that are no UTF-8 written as ``\\xNN``, so that
    every store and every JSON file can hold it; the untouched bytes stay in the raw INVITE."""
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", decoded)


def choose_caller(
    identities: Sequence[Identity],
    subscriber_number: str | None,
    precedence: Sequence[str],
    is_trusted: bool,
) -> Caller:
    """The party a report would name.

    Args:
        identities: as read by ``read_identities``.
        subscriber_number: the person we protect; can never be chosen, in any spelling.
        precedence: header names, best first; headers that do not name a caller are passed over.
        is_trusted: whether the message came from a network whose own headers are believed.

    Returns:
        the first telephone number by precedence, else the first text shown, else
        ``Caller(None, …)``.
    """
    own = _own_digits(subscriber_number)
    offered: list[Identity] = []
    flags: list[str] = []
    for item in _candidates(identities, precedence, is_trusted):
        if _shows(own, item.e164, item.uri_user):
            flags.append("subscriber_number")
        elif "anonymous" in item.flags:
            flags.append("anonymous")
        else:
            offered.append(item)
    numbers = [item for item in offered if item.e164]
    if len({item.e164 for item in numbers}) > 1:
        flags.append("headers_disagree")
    for item in (*numbers, *offered):
        caller = _as_caller(item, own, is_trusted, flags)
        if caller is not None:
            return caller
    return Caller(None, None, None, 0.0, _unique(flags))


def _as_caller(
    item: Identity, own: str | None, is_trusted: bool, flags: Sequence[str]
) -> Caller | None:
    """The party an identity shows; None when it shows nobody, or the subscriber."""
    display = parse_name_addr(item.raw).display if item.header in _ADDRESSES else None
    shown = item.e164 or item.uri_user or display
    if shown is None or _shows(own, shown):
        return None
    return Caller(
        number=shown,
        display=None if _shows(own, display) else display,
        source_header=item.header,
        confidence=_confidence(item, is_trusted),
        flags=_unique((*item.flags, *flags)),
    )


def _candidates(
    identities: Sequence[Identity], precedence: Sequence[str], is_trusted: bool
) -> Iterator[Identity]:
    for wanted in precedence:
        name = _CANONICAL.get(wanted.casefold())
        if name not in _CALLER_HEADERS or not (is_trusted or name in _SPOKEN_BY_CALLER):
            continue
        yield from (item for item in identities if item.header == name)


def _confidence(item: Identity, is_trusted: bool) -> float:
    doubt = 1.0 if is_trusted else 0.6
    doubt *= 1.0 if item.e164 else 0.5
    doubt *= 0.5 if "invalid" in item.flags else 1.0
    return round(item.confidence * doubt, 3)


def _own_digits(number: str | None) -> str | None:
    """The subscriber's national significant number, by which every spelling is recognised."""
    if not number:
        return None
    e164 = normalise(number).e164
    digits = significant_digits(e164 or number).removeprefix("84").lstrip("0")
    return digits or None


def _shows(own: str | None, *texts: str | None) -> bool:
    """Whether a text shows the subscriber's number: as it is, or hidden among other characters,
    or in its spelling before the move of 2018."""
    if own is None:
        return False
    for text in texts:
        if text is None:
            continue
        number = normalise(text).e164
        if number is not None and number.removeprefix("+84") == own:
            return True
        digits = significant_digits(unicodedata.normalize("NFKC", text))
        if digits.lstrip("0") == own or (len(own) >= _MIN_HIDDEN_DIGITS and own in digits):
            return True
        for start in range(max(0, len(digits[:_LONGEST_HIDING_PLACE]) - _MIN_HIDDEN_DIGITS)):
            moved = normalise("+84" + digits[start : start + len(own) + 1])
            if "old_prefix" in moved.flags and moved.e164 == "+84" + own:
                return True
    return False


def _read_address(header: str, value: str) -> Identity:
    address = parse_name_addr(value)
    uri_user = address.uri.user if address.uri else None
    number = normalise(uri_user) if uri_user else Number(None)
    flags = number.flags
    if _is_anonymous(address):
        flags = (*flags, "anonymous")
    if header == "Remote-Party-ID" and _WITHHELD.search(address.parameters):
        flags = (*flags, "withheld")
    if "party=called" in address.parameters.casefold().replace(" ", ""):
        return Identity(header, value, uri_user, number.e164, 0.0, (*flags, "called_party"))
    return Identity(header, value, uri_user, number.e164, CONFIDENCE[header], flags)


def _is_anonymous(address: NameAddr) -> bool:
    """RFC 3323 section 4.1: the user, the host or the display name says that nobody is named."""
    user = (address.uri.user or "").casefold() if address.uri else ""
    host = (address.uri.host or "").casefold() if address.uri else ""
    if user in _ANONYMOUS or host.endswith("anonymous.invalid"):
        return True
    return not user and (address.display or "").casefold() in _ANONYMOUS


def _read_passport(value: str) -> Identity:
    """The ``orig`` claim of a PASSporT (RFC 8225). Its signature is not verified."""
    token = value.partition(";")[0].strip()
    number: str | None = None
    parts = token.split(".")
    if len(parts) == 3:
        try:
            payload = parts[1] + "=" * (-len(parts[1]) % 4)
            claims = json.loads(base64.urlsafe_b64decode(payload))
            number = str(claims["orig"]["tn"])
        except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
            number = None
    if number is None:
        return Identity("Identity", value, None, None, CONFIDENCE["Identity"], ("unreadable",))
    read = normalise("+" + number.lstrip("+"))
    flags = (*read.flags, "unverified")
    return Identity("Identity", value, number, read.e164, CONFIDENCE["Identity"], flags)


def _unique(flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flags))
