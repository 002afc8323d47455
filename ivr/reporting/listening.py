"""Taking what comes back about reports, beside their delivery."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable

from ivr.telemetry import logger

_log = logger("ivr.reporting")


@runtime_checkable
class Listener(Protocol):
    """A courier, or somebody else, to whom something comes back."""

    async def listen(self) -> None:
        """Take it until cancelled; what goes wrong is logged and tried again."""


@asynccontextmanager
async def listening(listeners: Iterable[Listener]) -> AsyncIterator[None]:
    """All of them listen until the end of the block."""
    tasks = [asyncio.create_task(_listen(each)) for each in listeners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(listener: Listener) -> None:
    try:
        await listener.listen()
    except Exception:  # noqa: BLE001 - a mistake in taking replies must not stop the reports
        _log.exception("listener_failed")
