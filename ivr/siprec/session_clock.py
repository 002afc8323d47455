"""The session timer of a dialog, running: refreshes sent, or their absence noticed."""

import asyncio
from collections.abc import Callable
from typing import Final

from ivr.siprec.background import Background
from ivr.siprec.correspondent import Correspondent
from ivr.siprec.session_timer import SessionTimer

NO_SUCH_SESSION: Final = frozenset({408, 481})
"""Answers to a refresh that end the session (RFC 4028 section 10, RFC 5057)."""


class SessionClock:
    """Args:
    over: called once with the reason when the session is over.
    """

    def __init__(
        self, voice: Correspondent, background: Background, over: Callable[[str], None]
    ) -> None:
        self._voice, self._background, self._over = voice, background, over
        self._handle: asyncio.TimerHandle | None = None

    def begin(self, timer: SessionTimer | None) -> None:
        """Count anew from now, as agreed; None: without end."""
        self.stop()
        if timer is None:
            return
        loop = asyncio.get_running_loop()
        if timer.is_ours:
            self._handle = loop.call_later(timer.refresh_after_s, self._begin_refresh, timer)
        else:
            self._handle = loop.call_later(timer.over_after_s, self._ran_out)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ran_out(self) -> None:
        self._over("the session timer ran out: nobody refreshed it")

    def _begin_refresh(self, timer: SessionTimer) -> None:
        self._handle = None
        self._background.start(self._refresh(timer))

    async def _refresh(self, timer: SessionTimer) -> None:
        status = await self._voice.ask("UPDATE", timer.refreshing)
        if status in NO_SUCH_SESSION:
            self._over(f"the session could not be refreshed ({status})")
        elif status < 300 and self._handle is None:
            self.begin(timer)
