"""Who calls, by what the network and the caller say. Pure: headers in, identities out.

Every identity header is kept raw. Only headers that can say who calls are ever chosen from, the
network's own only when they come from a trusted source, and the subscriber's number never: a
report that accuses the person it protects would be this product's worst failure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from ivr.facts.call import Caller, Identity
from ivr.sip.message import SipMessage
from ivr.sip.name_addr import NameAddr, parse_name_addr, split_values
from ivr.telephony.numbers import Number, normalise
from ivr.telephony.passport import read_passport, read_user_to_user
from ivr.telephony.protected import Protected
from ivr.telephony.spoofing import display_flags, text_flags

PARTICIPANT = "rs-metadata"
"""Stands where a header's name stands, of a party that recording metadata name (RFC 7865)."""

CONFIDENCE = {
    "From": 0.5,  # the caller writes it (RFC 3261 section 20.20)
    "P-Asserted-Identity": 0.9,  # the network asserts it (RFC 3325)
    "P-Preferred-Identity": 0.2,  # the caller wishes it (RFC 3325)
    "Remote-Party-ID": 0.7,  # the forerunner of RFC 3325, still sent by trunks
    "Identity": 0.3,  # STIR PASSporT (RFC 8224); its signature is not verified here
    PARTICIPANT: 0.9,  # a participant of a mirrored call, as its operator says (RFC 7865)
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
        PARTICIPANT,
        "Diversion",
        "History-Info",
    }
)
_CANONICAL = {name.casefold(): name for name in CONFIDENCE if name != PARTICIPANT}
_ANONYMOUS = frozenset({"anonymous", "restricted", "unavailable", "unknown", "private", "an danh"})
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_WITHHELD = re.compile(r"\b(privacy\s*=\s*(full|uri|name)|screen\s*=\s*no)\b", re.IGNORECASE)


def read_identities(
    message: SipMessage, received_at: datetime | None = None
) -> tuple[Identity, ...]:
    """Every identity header of a message, one ``Identity`` a value, in order of appearance.

    Args:
        received_at: when it came, to tell a PASSporT that is not fresh; None asks nothing of it.
    """
    found: list[Identity] = []
    for header in message.headers:
        name = _CANONICAL.get(header.name.casefold())
        value = printable(header.value)
        if name in _ADDRESSES:
            # RFC 3261 section 20.20: From is one address, so a bare comma is part of its text.
            values = (value,) if name == "From" else split_values(value)
            found.extend(read_identity(name, part) for part in values or (value,))
        elif name == "Identity":
            found.append(_read_passport(value, received_at))
        elif name == "User-to-User":
            found.append(Identity(name, value, None, None, 0.0, (), read_user_to_user(value)))
        elif name is not None or header.name[:2].casefold() == "x-":
            found.append(Identity(name or printable(header.name), value, None, None, 0.0))
    return tuple(found)


def read_identity(header: str, value: str) -> Identity:
    """One address that says who calls or was called.

    Args:
        header: canonical name out of ``CONFIDENCE``; for another one the confidence is 0.
        value: ``name-addr`` or ``addr-spec`` (RFC 3261 section 20), however malformed.
    """
    address = parse_name_addr(value)
    uri_user = address.uri.user if address.uri else None
    number = normalise(uri_user) if uri_user else Number(None)
    flags = list(number.flags)
    if _is_anonymous(address):
        flags.append("anonymous")
    flags += display_flags(address.display, number.e164)
    flags += text_flags(uri_user)
    confidence = CONFIDENCE.get(header, 0.0)
    if header == "Remote-Party-ID" and _WITHHELD.search(address.parameters):
        flags.append("withheld")
    if "party=called" in address.parameters.casefold().replace(" ", ""):
        flags.append("called_party")
        confidence = 0.0
    return Identity(header, value, uri_user, number.e164, confidence, _unique(flags))


def printable(text: str) -> str:
    r"""The text with control characters and bytes that are no UTF-8 written as ``\\xNN``, so that
    every store and every JSON file can hold it; the untouched bytes stay in the raw INVITE."""
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", decoded)


def choose_caller(
    identities: Sequence[Identity],
    protected: Protected,
    precedence: Sequence[str],
    is_trusted: bool,
    carries: str = "domestic",
) -> Caller:
    """The party a report would name.

    Args:
        identities: as read by ``read_identities``.
        protected: the person we protect and our own lines; never chosen, in any spelling.
        precedence: header names, best first; headers that do not name a caller are passed over.
        is_trusted: whether the message came from a network whose own headers are believed.
        carries: what the trunk carries: ``domestic``, ``international`` or ``state``.

    Returns:
        the first telephone number by precedence, else the first text shown, else
        ``Caller(None, …)``.
    """
    offered: list[Identity] = []
    flags: list[str] = []
    for item in _candidates(identities, precedence, is_trusted):
        if protected.shows(item.e164, item.uri_user):
            flags.append("subscriber_number")
        elif "anonymous" in item.flags:
            flags.append("anonymous")
        else:
            offered.append(item)
    if _disagree(identities, protected):
        flags.append("headers_disagree")
    numbers = [item for item in offered if item.e164]
    for item in (*numbers, *offered):
        caller = _as_caller(item, protected, is_trusted, flags)
        if caller is not None:
            odd = _trunk_flags(caller, carries)
            return replace(caller, flags=_unique((*caller.flags, *odd)))
    return Caller(None, None, None, 0.0, _unique(flags))


def _as_caller(
    item: Identity, protected: Protected, is_trusted: bool, flags: Sequence[str]
) -> Caller | None:
    """The party an identity shows; None when it shows nobody, or somebody protected."""
    display = parse_name_addr(item.raw).display if item.header in _ADDRESSES else None
    shown = item.e164 or item.uri_user or display
    if shown is None or protected.shows(shown):
        return None
    return Caller(
        number=shown,
        display=None if protected.shows_number(display) else display,
        source_header=item.header,
        confidence=_confidence(item, is_trusted),
        flags=_unique((*item.flags, *flags)),
    )


def _trunk_flags(caller: Caller, carries: str) -> tuple[str, ...]:
    """What is odd about a number that comes over such a trunk."""
    is_of_the_state = not {"police_army_range", "party_state_range"}.isdisjoint(caller.flags)
    if is_of_the_state and carries != "state":
        return ("state_number_over_public_trunk",)
    if carries == "international" and (caller.number or "").startswith("+84"):
        return ("vietnamese_over_international_trunk",)
    return ()


def _disagree(identities: Sequence[Identity], protected: Protected) -> bool:
    """Whether headers that should name one caller name several, believed or not. A forwarded
    call that shows who it was forwarded from is no disagreement."""
    shown = {
        item.e164
        for item in identities
        if item.header in _CALLER_HEADERS and item.confidence > 0 and item.e164
    }
    return len([number for number in shown if not protected.shows(number)]) > 1


def _candidates(
    identities: Sequence[Identity], precedence: Sequence[str], is_trusted: bool
) -> Iterator[Identity]:
    for wanted in precedence:
        name = PARTICIPANT if wanted == PARTICIPANT else _CANONICAL.get(wanted.casefold())
        if name not in _CALLER_HEADERS or not (is_trusted or name in _SPOKEN_BY_CALLER):
            continue
        yield from (item for item in identities if item.header == name)


def _confidence(item: Identity, is_trusted: bool) -> float:
    doubt = 1.0 if is_trusted else 0.6
    doubt *= 1.0 if item.e164 else 0.5
    doubt *= 0.5 if "invalid" in item.flags else 1.0
    return round(item.confidence * doubt, 3)


def _is_anonymous(address: NameAddr) -> bool:
    """RFC 3323 section 4.1: the user, the host or the display name says that nobody is named."""
    user = (address.uri.user or "").casefold() if address.uri else ""
    host = (address.uri.host or "").casefold() if address.uri else ""
    if user in _ANONYMOUS or host.endswith("anonymous.invalid"):
        return True
    return not user and (address.display or "").casefold() in _ANONYMOUS


def _read_passport(value: str, received_at: datetime | None) -> Identity:
    passport = read_passport(value, received_at)
    number = Number(None)
    user = None
    if passport.origin is not None:
        address = parse_name_addr(passport.origin)  # a URI, or bare digits of ``tn``
        user = address.uri.user if address.uri else passport.origin
        digits = (user or "").lstrip("+")
        number = normalise("+" + digits if digits.isdecimal() else user or "")
    flags = _unique((*number.flags, *passport.flags))
    confidence = CONFIDENCE["Identity"]
    shown = printable(passport.shown)
    return Identity(
        "Identity", value, printable(user) if user else None, number.e164, confidence, flags, shown
    )


def _unique(flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flags))
