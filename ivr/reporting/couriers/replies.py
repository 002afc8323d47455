"""What recipients send back, word for word: nobody parses it, a person may read it."""

import asyncio
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ivr.clock import to_iso
from ivr.reporting.couriers.smpp_session import Incoming


class ReplyFile:
    """Appends one JSON object a line: receipts and messages of the short message centre. On disk
    when the call returns, for then the centre forgets them. Personal data: mode 0600."""

    def __init__(self, file: Path, now: Callable[[], datetime]) -> None:
        self._file, self._now = file, now
        self._writing = asyncio.Lock()

    async def keep(self, incoming: Incoming) -> None:
        """Raises OSError; then the centre sends it again later."""
        line = json.dumps(
            {
                "received_at": to_iso(self._now()),
                "from": incoming.source,
                "to": incoming.destination,
                "coding": incoming.coding,
                "hex": incoming.data.hex(),
                "receipt": incoming.receipt,
            }
        )
        async with self._writing:
            await asyncio.to_thread(self._append, line + "\n")

    def _append(self, line: str) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
