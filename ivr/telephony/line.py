"""One incoming call as the rest of the house sees it: the ``Line`` of ``ivr.ports``."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ivr.errors import TelephonyError
from ivr.facts.call import CallClosed, Dtmf, MediaAgreed
from ivr.ports import MediaEndpoint
from ivr.telephony.channel import Message
from ivr.telephony.offer import SipOffer
from ivr.telephony.wav import read_prompt

MAX_WAITING_EVENTS = 64
"""Facts nobody reads: further keys are dropped and counted, a newer media agreement replaces the
older one, the end of the call always finds room."""

_plays = itertools.count(1)


class SipLine:
    """Commands go down to the worker, facts come up; safe to use after the call has ended.

    Args:
        send: hands one command to the call's worker; never waits.
    """

    def __init__(self, serial: int, offer: SipOffer, send: Callable[[Message], None]) -> None:
        self.serial = serial
        self._offer = offer
        self._send = send
        self._facts: deque[Dtmf | MediaAgreed | CallClosed] = deque()
        self._arrived = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None
        self._playing: dict[int, asyncio.Future[None]] = {}
        self._closed = asyncio.Event()
        self._end: CallClosed | None = None
        self.dropped_keys = 0

    @property
    def offer(self) -> SipOffer:
        return self._offer

    @property
    def closed(self) -> CallClosed | None:
        """How the call ended, or None while it lives."""
        return self._end

    async def ring(self) -> None:
        """180 Ringing."""
        self._command("ring")

    async def answer(self, endpoint: MediaEndpoint) -> None:
        """200 OK with the door's address in the SDP; returns when the ACK came.

        Raises:
            TelephonyError: the call ended, or media could not be agreed, before that.
        """
        if self._end is None:
            self._answered = asyncio.get_running_loop().create_future()
            self._command("answer", host=endpoint.host, port=endpoint.port)
            await self._answered
        if self._end is not None:
            raise TelephonyError(
                "The call ended before it was answered.",
                why=self._end.reason,
                remedy="Nothing to do for one call; look at the trunk if it happens often.",
            )

    async def refuse(self, status: int, reason: str, retry_after_s: int | None = None) -> None:
        """A final answer of 300 or above; returns when the call is over."""
        self._command("refuse", status=status, reason=reason, retry_after_s=retry_after_s)
        await self._closed.wait()

    async def play(self, wav: Path) -> None:
        """Play an 8 kHz mono 16-bit WAV to the caller; returns when it was played, when another
        one took its place, or when the call ended. Cancelling it silences it.

        Raises:
            TelephonyError: the file is missing or is not of that form.
        """
        path, duration_s = await asyncio.to_thread(read_prompt, wav)
        if self._end is not None:
            return
        play = next(_plays)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._playing[play] = done
        self._command("play", play=play, wav=str(path), duration_s=duration_s)
        try:
            await done
        except asyncio.CancelledError:
            self._command("stop_play", play=play)
            raise
        finally:
            self._playing.pop(play, None)

    async def hang_up(self, reason: str) -> None:
        """BYE; returns when the call is over on our side. ``reason`` is for the case, not sent."""
        self._command("hang_up", reason=reason)
        await self._closed.wait()

    async def events(self) -> AsyncIterator[Dtmf | MediaAgreed | CallClosed]:
        """Facts in order, for one reader; ends after ``CallClosed``."""
        while True:
            while self._facts:
                fact = self._facts.popleft()
                yield fact
                if isinstance(fact, CallClosed):
                    return
            self._arrived.clear()
            await self._arrived.wait()

    # --- called by the pool, on the loop -------------------------------------------------------

    def confirmed(self) -> None:
        """The ACK came."""
        _resolve(self._answered)

    def played(self, play: int, problem: str | None) -> None:
        """A prompt is over; ``problem`` when it could not be played."""
        done = self._playing.get(play)
        if problem is None:
            _resolve(done)
        elif done is not None and not done.done():
            done.set_exception(
                TelephonyError(
                    "A prompt could not be played.",
                    why=problem,
                    remedy="Check the file with `ivr prompts verify`.",
                )
            )

    def push(self, fact: Dtmf | MediaAgreed) -> None:
        """Queue a fact; see ``MAX_WAITING_EVENTS``."""
        if len(self._facts) >= MAX_WAITING_EVENTS:
            if isinstance(fact, Dtmf):
                self.dropped_keys += 1
                return
            older = next((item for item in self._facts if isinstance(item, MediaAgreed)), None)
            if older is not None:
                self._facts.remove(older)
            else:
                self._facts.popleft()
                self.dropped_keys += 1
        self._facts.append(fact)
        self._arrived.set()

    def close(self, end: CallClosed) -> None:
        """The call is over; everyone who waits goes on."""
        if self._end is not None:
            return
        self._end = end
        self._facts.append(end)
        self._arrived.set()
        self._closed.set()
        _resolve(self._answered)
        for done in self._playing.values():
            _resolve(done)

    def _command(self, kind: str, **values: object) -> None:
        if self._end is None:
            self._send({"type": kind, "serial": self.serial, **values})


def _resolve(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
