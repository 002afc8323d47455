"""What every call of ours can do, whoever placed it: play, hang up, tell its facts."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ivr.errors import TelephonyError
from ivr.facts.call import CallClosed, Dtmf, MediaAgreed, Signalling
from ivr.telephony.channel import Message
from ivr.telephony.wav import read_prompt

MAX_WAITING_EVENTS = 64
"""Facts nobody reads: further keys are dropped and counted, a newer media agreement replaces the
older one, the end of the call always finds room."""

MAX_WAITING_MESSAGES = 64
"""SIP messages kept until somebody wants them; a call that is never recorded needs none."""

_plays = itertools.count(1)


class SipLeg:
    """Commands go down to the worker, facts come up; safe to use after the call has ended.

    Args:
        serial: the worker's number of the call.
        send: hands one command to the call's worker; never waits.
    """

    def __init__(self, serial: int, send: Callable[[Message], None]) -> None:
        self.serial = serial
        self._send = send
        self._facts: deque[Dtmf | MediaAgreed | CallClosed] = deque()
        self._arrived = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None
        self._playing: dict[int, asyncio.Future[None]] = {}
        self._closed = asyncio.Event()
        self._end: CallClosed | None = None
        self.dropped_keys = 0
        self._signalling: deque[Signalling] = deque(maxlen=MAX_WAITING_MESSAGES)
        self._trace: Callable[[Signalling], None] = self._signalling.append

    @property
    def closed(self) -> CallClosed | None:
        """How the call ended, or None while it lives."""
        return self._end

    async def play(self, wav: Path) -> None:
        """Play an 8 kHz mono 16-bit WAV to this side alone; returns when it was played, when
        another one took its place, or when the call ended. Cancelling it silences it.

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

    def trace(self, sink: Callable[[Signalling], None]) -> None:
        """Every SIP message of this call, in order, those from before first; ``sink`` must return
        at once."""
        self._trace = sink
        while self._signalling:
            sink(self._signalling.popleft())

    # --- called by the pool, on the loop -------------------------------------------------------

    def signalled(self, message: Signalling) -> None:
        """A SIP message came or went."""
        self._trace(message)

    def played(self, play: int, problem: str | None) -> None:
        """A prompt is over; ``problem`` when it could not be played."""
        done = self._playing.get(play)
        if problem is None:
            resolve(done)
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
        resolve(self._answered)
        for done in self._playing.values():
            resolve(done)

    def _command(self, kind: str, **values: object) -> None:
        if self._end is None:
            self._send({"type": kind, "serial": self.serial, **values})


def resolve(future: "asyncio.Future[None] | None") -> None:
    """Wake up who waits for it, if anybody does."""
    if future is not None and not future.done():
        future.set_result(None)
