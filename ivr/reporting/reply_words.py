"""A reply for a person to read; what is kept stays as it came."""

import email.policy
from email import message_from_bytes
from typing import Final

from ivr.facts.replies import Reply
from ivr.facts.reports import Channel
from ivr.reporting.sms_parts import from_septets

_UCS2: Final = 0x08
_LATIN1: Final = 0x03


def reply_words(reply: Reply) -> str:
    """The words in it as well as they can be made out; never raises."""
    if reply.channel is Channel.MAIL:
        return _mail_words(reply.raw)
    if reply.coding is None:
        return reply.raw.decode("utf-8", "replace")
    if reply.coding == _UCS2:
        return reply.raw.decode("utf-16-be", "replace")
    if reply.coding == _LATIN1:
        return reply.raw.decode("latin-1")
    if reply.coding == 0:
        return from_septets(reply.raw)
    return reply.raw.hex()


def _mail_words(raw: bytes) -> str:
    try:
        message = message_from_bytes(raw, policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        text = str(body.get_content()) if body is not None else ""
        return f"{message.get('Subject', '')}\n{text}".strip()
    except Exception:  # noqa: BLE001 - the parser raises many kinds on broken mail; it is shown raw
        return raw.decode("utf-8", "replace")
