"""One mirrored call: one dialog, or the two of a plain fork, as the rest of the house sees it."""

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Final

from ivr.facts.call import Blame, CallClosed, Signalling
from ivr.siprec.facts import Fact, SessionEnded
from ivr.siprec.metadata import Metadata
from ivr.siprec.request import Request
from ivr.siprec.session import Session

MAX_WAITING_FACTS: Final = 64
"""Facts nobody reads; when it is full, the message that would bring another is refused with 503."""


MAX_WAITING_MESSAGES: Final = 64
"""SIP messages kept until somebody wants them."""

KEPT_BYTES: Final = 1 << 20
"""Of the messages of one call; of what comes beyond only the time is kept."""

MOST_MESSAGES: Final = 2000


class MirrorLine:
    """Facts come up, answers go down; safe to use after the call has ended.

    Args:
        is_siprec: whether the border controller speaks RFC 7866 (else it is a fork of a call).
        pair: what the two INVITEs of a plain fork share; empty when there is but one.
        over: told once when the call is over.
    """

    def __init__(
        self,
        serial: int,
        invite: Request,
        source: tuple[str, int],
        *,
        is_siprec: bool,
        pair: str,
        over: Callable[["MirrorLine"], None],
    ) -> None:
        self.serial = serial
        self.invite = invite
        self.source = source
        self.is_siprec = is_siprec
        self.pair = pair
        self.metadata = Metadata()
        self.same_session_as: tuple[str, ...] = ()
        """SIP Call-IDs of living calls that record the same communication session."""
        self.sessions: dict[int, Session] = {}
        self._dialogs = 0
        self._facts: deque[Fact] = deque()
        self._arrived = asyncio.Event()
        self._answered_ns = 0
        self._end: CallClosed | None = None
        self._over = over
        self._signalling: deque[Signalling] = deque(maxlen=MAX_WAITING_MESSAGES)
        self._trace: Callable[[Signalling], None] = self._signalling.append
        self._room, self._messages = KEPT_BYTES, 0

    @property
    def closed(self) -> CallClosed | None:
        """How the call ended, or None while it lives."""
        return self._end

    @property
    def has_both(self) -> bool:
        """Whether a second dialog ever joined."""
        return self._dialogs > 1

    @property
    def is_full(self) -> bool:
        return len(self._facts) >= MAX_WAITING_FACTS

    async def events(self) -> AsyncGenerator[Fact, None]:
        """Facts in order, for one reader; ends after ``CallClosed``."""
        while True:
            while self._facts:
                fact = self._facts.popleft()
                yield fact
                if isinstance(fact, CallClosed):
                    return
            self._arrived.clear()
            await self._arrived.wait()

    def hang_up(self, reason: str, blame: Blame = Blame.US) -> None:
        """BYE to every dialog, or 480 where nothing was answered yet; the call is over at once on
        our side, the rest goes on behind."""
        self._close(reason, blame, 0)
        for session in list(self.sessions.values()):
            session.hang_up(reason, blame)

    def refuse(self, status: int, reason: str, retry_after_s: int = 0) -> None:
        """A final answer of 300 or above to every INVITE that waits for one."""
        for session in list(self.sessions.values()):
            session.refuse(status, reason, retry_after_s)

    def trace(self, sink: Callable[[Signalling], None]) -> None:
        """Every SIP message of this call, in order, those from before first; ``sink`` must return
        at once."""
        self._trace = sink
        while self._signalling:
            sink(self._signalling.popleft())

    # --- called by the sessions and the server ---------------------------------------------------

    def push(self, fact: Fact) -> None:
        """Queue a fact; whoever brings one asks ``is_full`` first."""
        if self._end is None:
            self._facts.append(fact)
            self._arrived.set()

    def signalled(self, message: Signalling) -> None:
        """A SIP message came or went; told of within what one call may say."""
        self._messages += 1
        if self._messages > MOST_MESSAGES:
            return
        self._room -= len(message.raw)
        is_last = self._messages == MOST_MESSAGES
        raw = message.raw if self._room >= 0 else b""
        self._trace(dataclasses.replace(message, raw=raw, is_last=is_last))

    def join(self, session: Session) -> None:
        """A dialog of this call begins."""
        self.sessions[session.serial] = session
        self._dialogs += 1

    def answered(self) -> None:
        self._answered_ns = self._answered_ns or time.monotonic_ns()

    def session_ended(self, session: int, reason: str, blame: Blame, status: int) -> None:
        """A dialog is over; with the last one the call is."""
        if self.sessions.pop(session, None) is None:
            return
        if self.sessions:
            self.push(SessionEnded(session, reason))
        else:
            self._close(reason, blame, status)

    def _close(self, reason: str, blame: Blame, status: int) -> None:
        if self._end is not None:
            return
        since_ns = self._answered_ns
        duration_s = (time.monotonic_ns() - since_ns) / 1e9 if since_ns else 0.0
        end = CallClosed(blame, reason, status, round(duration_s, 3), datetime.now(UTC))
        self._facts.append(end)
        self._end = end
        self._arrived.set()
        self._over(self)
