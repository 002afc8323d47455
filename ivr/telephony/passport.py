"""PASSporTs (RFC 8225, RFC 8588) and User-to-User data (RFC 7433), decoded for a reader. Pure.

Nothing here is verified: no certificate is fetched, no signature checked. What a PASSporT says is
worth what its sender is worth, and every identity made from one says so.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FRESH_S = 60.0
"""RFC 8224 section 6.2.2: an ``iat`` farther away than this is stale (or of another clock)."""

_MAX_SHOWN = 200
_READING_FAILS = (binascii.Error, ValueError, LookupError, TypeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Passport:
    """The claims of one PASSporT.

    Args:
        origin: telephone number or URI of ``orig``; None when there is none.
        shown: the claims in one line.
        flags: ``unverified`` always; ``unreadable``, ``iat_missing``, ``iat_stale``,
            ``iat_in_the_future``, ``attested_a|b|c`` (how well the signer says it knows the
            caller).
    """

    origin: str | None
    shown: str
    flags: tuple[str, ...]


def read_passport(value: str, now: datetime | None) -> Passport:
    """Read an Identity header. Never raises.

    Args:
        now: when the message came, to tell a stale ``iat``; None asks nothing of it.
    """
    token = value.partition(";")[0].strip()
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("not three parts")
        claims = _decoded(parts[1])
        origin = _origin(claims)
    except _READING_FAILS:
        return Passport(None, "", ("unreadable", "unverified"))
    try:
        head = _decoded(parts[0])
    except _READING_FAILS:
        head = {}  # it only says who signed; the claims stand without it
    flags = ["unverified", *_age_flags(claims.get("iat"), now)]
    attest = claims.get("attest")
    if isinstance(attest, str) and attest in ("A", "B", "C"):
        flags.append(f"attested_{attest.lower()}")
    return Passport(origin, _shown(head, claims, origin), tuple(flags))


def read_user_to_user(value: str) -> str:
    """What User-to-User data says, or an empty text when it is not readable as text.

    Hexadecimal is decoded; a first byte of 04 (ITU-T Q.931 table 4-26: IA5 characters) is the
    protocol discriminator that ISDN puts before the text.
    """
    data, _, parameters = value.partition(";")
    data = data.strip().strip('"')
    encoding = re.search(r"encoding\s*=\s*\"?(\w+)", parameters, re.IGNORECASE)
    is_hex = encoding is None or encoding[1].casefold() == "hex"
    if is_hex and re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", data):
        raw = bytes.fromhex(data).removeprefix(b"\x04")
        text = raw.decode("utf-8", "replace")
        is_text = "\ufffd" not in text and all(char.isprintable() for char in text)
        return text[:_MAX_SHOWN] if is_text else ""
    return data[:_MAX_SHOWN] if encoding is not None and not is_hex else ""


def _decoded(part: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _origin(claims: dict[str, Any]) -> str | None:
    origin = claims["orig"]
    for key in ("tn", "uri"):
        if key in origin:
            value = origin[key]
            return str(value[0] if isinstance(value, list) else value)
    return None


def _age_flags(issued: object, now: datetime | None) -> tuple[str, ...]:
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return ("iat_missing",)
    if now is None:
        return ()
    age_s = now.timestamp() - issued
    if age_s > FRESH_S:
        return ("iat_stale",)
    return ("iat_in_the_future",) if age_s < -FRESH_S else ()


def _shown(head: dict[str, Any], claims: dict[str, Any], origin: str | None) -> str:
    dest = claims.get("dest")
    found = {
        "orig": origin,
        "dest": _destinations(dest) if isinstance(dest, dict) else None,
        "attest": claims.get("attest"),
        "iat": _time(claims.get("iat")),
        "origid": claims.get("origid"),
        "ppt": head.get("ppt"),
        "x5u": head.get("x5u"),
    }
    return " ".join(f"{key}={str(item)[:80]}" for key, item in found.items() if item is not None)


def _destinations(dest: dict[str, Any]) -> str:
    values = [*_list(dest.get("tn")), *_list(dest.get("uri"))]
    return ",".join(str(value) for value in values[:4])


def _list(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _time(issued: object) -> str | None:
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return None
    try:
        return datetime.fromtimestamp(issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(issued)[:20]
