"""Answers and bounces to our mails, from a Maildir into which the sender's mail is delivered.

Reading a Maildir instead of speaking IMAP or POP3: every mail server and every fetching program
(fetchmail, mbsync, getmail) can deliver into one, and it needs no login of ours.
"""

import asyncio
import email.policy
import re
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Final

from ivr.errors import StorageError
from ivr.facts.replies import Bearing, Reply, ReplyKind
from ivr.facts.reports import Channel
from ivr.reporting.couriers.replies import Keep
from ivr.telemetry import logger

_log = logger("ivr.reporting.replies")
EVERY_S: Final = 30.0
_LARGEST: Final = 1_000_000
_OUR_ID: Final = re.compile(r"<([0-9a-f]{40})@")  # `message.message_id`
_BEARINGS: Final = {"failed": Bearing.REFUSED, "delivered": Bearing.ARRIVED}


class MaildirReader:
    """Keeps each new mail, then marks it as seen; killed between the two it keeps it once."""

    def __init__(
        self, folder: Path, keep: Keep, now: Callable[[], datetime], every_s: float = EVERY_S
    ) -> None:
        self._folder, self._keep, self._now, self._every_s = folder, keep, now, every_s

    async def listen(self) -> None:
        """Until cancelled. A folder that is not there yet, or a ledger that does not answer, is
        said in the log and asked again."""
        while True:
            try:
                await self.read_new()
            except OSError as problem:
                _log.warning("maildir.unreadable", why=problem.strerror or str(problem))
            except StorageError as problem:
                _log.error("maildir.not_kept", **problem.as_dict())
            await asyncio.sleep(self._every_s)

    async def read_new(self) -> int:
        """Keep what is new; returns how many.

        Raises:
            OSError, StorageError: what is not kept yet stays new.
        """
        files = await asyncio.to_thread(self._new)
        for file in files:
            raw, size = await asyncio.to_thread(_read, file)
            await self._keep(from_mail(raw, size, self._now()))
            await asyncio.to_thread(self._mark_seen, file)
        return len(files)

    def _new(self) -> list[Path]:
        return sorted(each for each in (self._folder / "new").iterdir() if each.is_file())

    def _mark_seen(self, file: Path) -> None:
        """As the format has it: into cur, flag S."""
        seen = self._folder / "cur"
        seen.mkdir(exist_ok=True)
        file.rename(seen / f"{file.name}:2,S")


def _read(file: Path) -> tuple[bytes, int]:
    with file.open("rb") as opened:
        return opened.read(_LARGEST), file.stat().st_size


def from_mail(raw: bytes, size: int, at: datetime) -> Reply:
    """Any bytes become a reply. Who can name the id of one of our mails has read that mail: its
    40 digits are not to be guessed, so nobody else can speak about a report.

    Args:
        raw: the mail, or its first million bytes; the whole of it stays in the Maildir.
        size: of the whole, bytes.
    """
    message = message_from_bytes(raw, policy=email.policy.default)
    status, action, original = _delivery_status(message)
    named = _OUR_ID.search(original) or _OUR_ID.search(_header(message, "In-Reply-To"))
    named = named or _OUR_ID.search(_header(message, "References"))
    is_bounce = bool(action)
    bearing = _BEARINGS.get(action, Bearing.NONE) if is_bounce else Bearing.ARRIVED
    word = f"{action} {status}".strip()
    if size > len(raw):
        word = f"{word} (first {len(raw)} of {size} bytes)".strip()
    return Reply(
        reply_id=Reply.id_of(b"mail", raw),
        channel=Channel.MAIL,
        kind=ReplyKind.BOUNCE if is_bounce else ReplyKind.ANSWER,
        sender=parseaddr(_header(message, "From"))[1],
        received_at=at,
        raw=raw,
        report_prefix=named[1] if named else "",
        word=word[:32],
        bearing=bearing if named else Bearing.NONE,
    )


def _delivery_status(message: EmailMessage) -> tuple[str, str, str]:
    """Status, action and the original's Message-ID of a report by RFC 3464; empty: it is none."""
    if message.get_content_type() != "multipart/report":
        return "", "", ""
    status = action = original = ""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status" and part.is_multipart():
            for block in part.get_payload():
                action = action or _header(block, "Action").lower()
                status = status or _header(block, "Status")
        elif kind == "text/rfc822-headers":
            text = part.get_payload(decode=True)
            headers = message_from_bytes(text if isinstance(text, bytes) else b"")
            original = original or _header(headers, "Message-ID")
        elif part is not message and part.get("X-IVR-Report-Id") is not None:
            original = original or _header(part, "Message-ID")
    return status, re.sub(r"[^a-z]", "", action), original


def _header(message: object, name: str) -> str:
    """A header as text, whatever is wrong with it."""
    try:
        found = message.get(name, "")  # type: ignore[attr-defined]  # Message of either policy
    except Exception:  # noqa: BLE001 - the parser raises IndexError and others on broken headers
        return ""
    return " ".join(str(found).split())
