"""An INVITE as it reached us, read: the ``Offer`` of ``ivr.ports``."""

from dataclasses import dataclass
from datetime import datetime

from ivr.facts.call import Identity
from ivr.sip.message import parse
from ivr.sip.name_addr import parse_uri
from ivr.telephony.identity import read_identities


@dataclass(frozen=True, slots=True)
class SipOffer:
    """One INVITE.

    Args:
        raw: the message, byte for byte.
        source: address and port it came from.
        access: user part of the request URI: which subscriber's access number was dialled.
        transport: ``udp`` or ``tcp``.
        received_at: when it reached the pool, UTC.
    """

    sip_call_id: str
    access: str
    raw: bytes
    source: tuple[str, int]
    identities: tuple[Identity, ...]
    received_at: datetime
    transport: str
    user_agent: str | None


def read_offer(
    raw: bytes, source: tuple[str, int], transport: str, received_at: datetime
) -> SipOffer:
    """Read an INVITE; parts that are missing come back empty."""
    message = parse(raw)
    uri = parse_uri(message.request_uri or "")
    return SipOffer(
        sip_call_id=message.first("Call-ID") or "",
        access=(uri.user if uri else None) or "",
        raw=raw,
        source=source,
        identities=read_identities(message, received_at),
        received_at=received_at,
        transport=transport,
        user_agent=message.first("User-Agent"),
    )
