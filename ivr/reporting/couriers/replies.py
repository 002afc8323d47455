"""What short message centres and modems send back, as replies to keep word for word."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ivr.clock import to_iso
from ivr.facts.replies import Reply, ReplyKind
from ivr.facts.reports import Channel

SHORT_CODES: Final = frozenset({"156", "5656"})

Keep = Callable[[Reply], Awaitable[None]]
"""Stores a reply; only after it returns is the sender told that we have it. Raises StorageError."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A deliver_sm word for word. ``receipt``: message id and state, when it is one."""

    source: str
    destination: str
    coding: int
    data: bytes
    receipt: tuple[str, str] | None


def from_centre(incoming: Incoming, at: datetime) -> Reply:
    """A receipt that is sent again is the same reply; two equal answers are two."""
    source = incoming.source.encode()
    if incoming.receipt is None:
        return Reply(
            reply_id=Reply.id_of(b"smpp", source, to_iso(at).encode(), incoming.data),
            channel=Channel.SMS,
            kind=ReplyKind.ANSWER,
            sender=incoming.source,
            received_at=at,
            raw=incoming.data,
            coding=incoming.coding,
        )
    provider_id, word = incoming.receipt
    return Reply(
        reply_id=Reply.id_of(b"smpp", source, incoming.data, provider_id.encode(), word.encode()),
        channel=Channel.SMS,
        kind=ReplyKind.RECEIPT,
        sender=incoming.source,
        received_at=at,
        raw=incoming.data,
        coding=incoming.coding,
        provider_id=provider_id,
        word=word,
    )


def from_modem(message: Mapping[str, Any], at: datetime) -> Reply | None:
    """A message on the SIM as Gammu gives it; None: it is not from 156 or 5656, and none of our
    business. It stays on the SIM, so the centre's time tells it from an equal one."""
    if message.get("Number") not in SHORT_CODES or message.get("Type") != "Deliver":
        return None
    raw = str(message.get("Text", "")).encode()
    sender = str(message["Number"])
    sent_at = str(message.get("DateTime", ""))
    part = str(message.get("UDH", {}).get("PartNumber", ""))
    return Reply(
        reply_id=Reply.id_of(b"sim", sender.encode(), sent_at.encode(), part.encode(), raw),
        channel=Channel.SMS,
        kind=ReplyKind.ANSWER,
        sender=sender,
        received_at=at,
        raw=raw,
    )
