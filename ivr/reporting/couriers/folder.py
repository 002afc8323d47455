"""The outbox folder: a report is laid out for a person to hand over.

The default for SMS: 156 and 5656 take messages from a subscriber's own SIM, so the message is
written as a card with an ``sms:`` link and its QR code. Mail becomes a complete ``.eml`` file.
"""

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ivr.errors import DeliveryError
from ivr.facts.reports import Channel, DeliveryState, Report
from ivr.locale import fill
from ivr.ports import Commit
from ivr.reporting.couriers.message import NO_LINKS, build_message
from ivr.reporting.gsm import segments
from ivr.reporting.postscript import Postscript
from ivr.reporting.sms_link import qr_svg, sms_uri


class FolderCourier:
    """Writes ``sms-<case>-<report>.txt``, ``.json`` and ``.svg`` (QR code), or
    ``mail-<case>-<report>.eml``, or ``webhook-<case>-<report>.json``.

    A file appears whole or not at all, and one that is there is left as it is: delivering the
    same report again changes nothing.
    """

    is_repeatable = True
    settles_as = DeliveryState.READY

    def __init__(
        self,
        folder: Path,
        sender: str,
        now: Callable[[], datetime],
        postscript: Postscript = NO_LINKS,
    ) -> None:
        self._folder = folder
        self._sender = sender
        self._now = now
        self._postscript = postscript

    async def deliver(self, report: Report, case_path: Path, commit: Commit) -> str:
        """Lay the report out; returns the path of its main file.

        Raises:
            DeliveryError: the folder cannot be written (retryable), or an attachment is not
                what was sealed.
        """
        contents = await asyncio.to_thread(self._contents, report, case_path)
        await commit()
        try:
            return str(await asyncio.to_thread(self._write_all, report, contents))
        except OSError as problem:
            raise DeliveryError(
                f"The report could not be laid out in {self._folder}.",
                why=problem.strerror or str(problem),
                remedy="Free disk space or give this user write permission there.",
                is_retryable=True,
            ) from problem

    def _contents(self, report: Report, case_path: Path) -> dict[str, bytes]:
        """Suffix → content; the last one is the main file."""
        if report.channel is Channel.MAIL:
            message = build_message(report, case_path, self._sender, self._now(), self._postscript)
            return {".eml": message.as_bytes()}
        if report.channel is Channel.WEBHOOK:
            return {".json": report.body.encode()}
        uri = sms_uri(report.address, report.body)
        card = {
            "report_id": report.report_id,
            "case_id": report.case_id,
            "to": report.address,
            "body": report.body,
            "parts": segments(report.body).parts,
            "uri": uri,
        }
        values = {
            "address": report.address,
            "body": report.body,
            "uri": uri,
            "report_id": report.report_id,
        }
        return {
            ".json": (json.dumps(card, ensure_ascii=False, indent=1) + "\n").encode(),
            ".svg": qr_svg(uri).encode(),
            ".txt": fill("vi", "sms_card.txt", values).encode(),
        }

    def _write_all(self, report: Report, contents: dict[str, bytes]) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = f"{report.channel.value}-{report.case_id}-{report.report_id[:16]}"
        path = self._folder / stem
        for suffix, content in contents.items():
            path = self._folder / f"{stem}{suffix}"
            _write_once(path, content)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path


def _write_once(path: Path, content: bytes) -> None:
    """Whole and durable under its name, or not there; an existing file is kept."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # an earlier attempt laid it out already
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
