"""What one room may ask of another, as protocols. ``app.py`` puts the real rooms behind them.

Channel order of a call (see docs/architecture.md): Line → Door → Ear → Listener → Judge →
Vault → Ledger → Courier.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

from ivr.facts.audio import AudioFrame, LegStats, WireLog
from ivr.facts.call import CallClosed, Dtmf, Identity, LegName, MediaAgreed
from ivr.facts.judgement import PhraseHit, Verdict
from ivr.facts.reports import Delivery, Report
from ivr.facts.speech import MissedSpan, Utterance

FrameSink = Callable[[AudioFrame], None]
"""Takes one decoded frame; must return at once (microseconds) and never raise."""


class MediaEndpoint(Protocol):
    """The address of a call's RTP door, to be written into our SDP."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class Offer(Protocol):
    """An INVITE as it reached us."""

    @property
    def sip_call_id(self) -> str: ...

    @property
    def access(self) -> str:
        """User part of the request URI."""

    @property
    def raw(self) -> bytes:
        """The INVITE, byte for byte."""

    @property
    def source(self) -> tuple[str, int]: ...

    @property
    def identities(self) -> tuple[Identity, ...]: ...


class Line(Protocol):
    """One incoming SIP call. Commands go down, facts come up; the worker owns the pj objects."""

    @property
    def offer(self) -> Offer: ...

    async def ring(self) -> None:
        """180 Ringing."""

    async def answer(self, endpoint: MediaEndpoint) -> None:
        """200 OK with the door's address in the SDP; returns when the ACK came.

        Raises:
            TelephonyError: the call ended, or media could not be agreed, before that.
        """

    async def refuse(self, status: int, reason: str, retry_after_s: int | None = None) -> None: ...

    async def play(self, wav: Path) -> None:
        """Play an 8 kHz mono WAV to the caller; returns when it was played, or the call ended."""

    async def hang_up(self, reason: str) -> None: ...

    def events(self) -> AsyncIterator[Dtmf | MediaAgreed | CallClosed]:
        """Facts in order; ends after ``CallClosed``."""


class Door(Protocol):
    """The RTP door of one call: every packet to disk before anybody sees it."""

    @property
    def endpoint(self) -> MediaEndpoint: ...

    def agree(self, media: MediaAgreed) -> None:
        """Learn, or learn anew after a re-INVITE, who may send and where to pass it on."""

    def tap(self, leg: LegName, sink: FrameSink) -> None:
        """Decoded frames of a leg, in order, from now on."""

    def stats(self) -> tuple[LegStats, ...]: ...

    async def close(self) -> WireLog:
        """Flush, chain and close the wire log."""


class Ear(Protocol):
    """Live recognition of one leg, in a process of its own."""

    def feed(self, frame: AudioFrame) -> None:
        """Never waits; when the queue is full the frame is dropped and its span remembered."""

    def utterances(self) -> AsyncIterator[Utterance]:
        """Partials and finals, in order; ends after ``finish``."""

    async def finish(self) -> tuple[MissedSpan, ...]:
        """No more frames: flush the last utterance; returns what was not heard."""


class Listener(Protocol):
    """Spotting over one call; keeps state across utterances of every leg."""

    def hear(self, utterance: Utterance) -> tuple[PhraseHit, ...]:
        """Hits that are new with this utterance (provisional ones for partials)."""

    @property
    def hits(self) -> tuple[PhraseHit, ...]:
        """All hits that stand, ordered by time, then leg, then phrase id."""


class Judge(Protocol):
    """Pure: the same hits and words give the same verdict, byte for byte."""

    def judge(
        self, hits: Sequence[PhraseHit], utterances: Sequence[Utterance], duration_s: float
    ) -> Verdict: ...


class Courier(Protocol):
    """Hands one report over. Idempotent by ``report_id`` where the channel allows it."""

    async def deliver(self, report: Report, case_path: Path) -> str:
        """Returns the provider's reference.

        Raises:
            DeliveryError: with ``is_retryable`` and ``is_ambiguous`` set.
        """


class Outbox(Protocol):
    """Reports waiting to be delivered; the database is the truth."""

    async def lease(self, now_holder: str) -> tuple[Report, Path] | None: ...

    async def settle(self, report_id: str, outcome: str | Exception) -> Delivery: ...
