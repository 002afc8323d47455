"""The signalling of a call beside its sound: every SIP message, both ways, stands in the wire log.

There it is chained block by block like the packets, is on the disk within a second, and Wireshark
shows it as text (docs/rtp-door.md). The INVITE stands in original/invite.sip as well.
"""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ivr.evidence.canonical import sha256_hex
from ivr.facts.call import LegName, Signalling
from ivr.media.wire_format import LoggedFact, WireLogReader

FACT = "sip_message"


class _Noting(Protocol):
    def note(self, name: str, members: Mapping[str, Any]) -> None: ...


def keeping(door: _Noting, leg: LegName | None = None) -> Callable[[Signalling], None]:
    """A sink that notes each message in the wire log.

    Args:
        leg: whose dialog it is, when it is not the one that the call came with.
    """
    told = {} if leg is None else {"dialog": leg.value}
    return lambda message: door.note(FACT, told | members_of(message))


def members_of(message: Signalling) -> dict[str, Any]:
    """The members of the fact: the message as ``text`` if it is UTF-8, else as ``base64``."""
    host, port = message.peer
    members: dict[str, Any] = {
        "at_ns": str(message.at_ns),
        "direction": "sent" if message.is_sent else "received",
        "peer": [host, port],
        "sha256": sha256_hex(message.raw),
    }
    if message.is_last:
        members["note"] = "the call said more; what follows is not kept"
    if not message.raw:
        return members | {"note": "the call had said too much to keep this message"}
    try:
        return members | {"text": message.raw.decode("utf-8")}
    except UnicodeDecodeError:
        return members | {"base64": base64.b64encode(message.raw).decode("ascii")}


def read_signalling(wire_log: Path) -> tuple[Signalling, ...]:
    """The SIP messages of a wire log, in order.

    Raises:
        MediaError: it cannot be read.
        KeyError, ValueError: a message is not as `members_of` writes it.
    """
    return tuple(
        _message(entry.members)
        for entry in WireLogReader(wire_log)
        if isinstance(entry, LoggedFact) and entry.name == FACT
    )


def _message(members: Mapping[str, Any]) -> Signalling:
    text = members.get("text")
    raw = base64.b64decode(members.get("base64", "")) if text is None else text.encode()
    host, port = members["peer"]
    is_sent = members["direction"] == "sent"
    return Signalling(int(members["at_ns"]), is_sent, (host, port), raw)
