"""What one room may ask of another, as protocols. ``app.py`` puts the real rooms behind them.

Channel order of a call (see docs/architecture.md): Line → Door → Ear → Listener → Judge →
Vault → Ledger → Courier.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ivr.facts.audio import AudioFrame, LegStats, WireLog
from ivr.facts.call import (
    CallClosed,
    CallOpened,
    Dtmf,
    Identity,
    LegName,
    MediaAgreed,
    Pickup,
    Signalling,
)
from ivr.facts.judgement import PhraseHit, Verdict
from ivr.facts.reports import Channel, Delivery, DeliveryState, Lease, Quota, Report
from ivr.facts.speech import MissedSpan, Utterance

FrameSink = Callable[[AudioFrame], None]
"""Takes one decoded frame; must return at once (microseconds) and never raise."""


SignallingSink = Callable[[Signalling], None]
"""Takes one SIP message; must return at once and never raise."""


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


class SubscriberLine(Protocol):
    """A call that we placed, to a subscriber; made by ``Line.connect``."""

    @property
    def serial(self) -> int:
        """The worker's number of the call."""

    async def picked_up(self) -> Pickup:
        """How ringing ended; returns when somebody picked up, or nobody will."""

    async def play(self, wav: Path) -> None:
        """As ``Line.play``; the caller does not hear it."""

    async def hang_up(self, reason: str) -> None:
        """CANCEL or BYE; returns when the call is over. Does nothing after the end."""

    @property
    def closed(self) -> CallClosed | None: ...

    def trace(self, sink: SignallingSink) -> None:
        """As ``Line.trace``."""

    def events(self) -> AsyncIterator[Dtmf | MediaAgreed | CallClosed]:
        """Facts in order; ends after ``CallClosed``."""


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

    async def connect(self, target: str, endpoint: MediaEndpoint, ring_s: float) -> SubscriberLine:
        """Ring somebody; returns at once. Only targets that the pool was given can be rung.

        Raises:
            TelephonyError: the target is not one of them.
        """

    async def join(self, other: SubscriberLine) -> None:
        """From now on the two hear each other."""

    async def part(self, other: SubscriberLine) -> None:
        """They no longer hear each other; both calls go on."""

    async def hang_up(self, reason: str) -> None:
        """BYE, or a refusal; returns when the call is over. Does nothing after the end."""

    @property
    def closed(self) -> CallClosed | None:
        """How the call ended, or None while it lives."""

    def trace(self, sink: SignallingSink) -> None:
        """Every SIP message of the call, both ways, in order; those from before now first."""

    def events(self) -> AsyncIterator[Dtmf | MediaAgreed | CallClosed]:
        """Facts in order; ends after ``CallClosed``."""


class WireTrouble(Protocol):
    """Why packets of a call are not all on the disk."""

    @property
    def what(self) -> str: ...

    @property
    def unlogged(self) -> int: ...

    @property
    def is_over(self) -> bool: ...


class TappedDoor(Protocol):
    """What hearing needs of any RTP door, whoever stands behind it."""

    @property
    def trouble(self) -> WireTrouble | None:
        """Set from the moment something could not be logged; stays set for this call."""

    def tap(self, leg: LegName, sink: FrameSink) -> None:
        """Decoded frames of a leg, in order, from now on."""

    def last_packet_age_s(self, leg: LegName) -> float:
        """Seconds since the leg's last packet, or since it was opened."""

    def incomplete_reasons(self) -> tuple[str, ...]:
        """Why the wire log lacks something that arrived; empty for a whole one."""

    def stats(self) -> tuple[LegStats, ...]: ...

    async def close(self) -> WireLog:
        """Flush, chain and close the wire log."""


class Door(TappedDoor, Protocol):
    """The RTP door of one call: every packet to disk before anybody sees it."""

    @property
    def endpoint(self) -> MediaEndpoint: ...

    def agree(self, media: MediaAgreed) -> None:
        """Learn, or learn anew after a re-INVITE, who may send and where to pass it on."""


class WatchedCase(Protocol):
    """A case whose call runs, as the watch sees it."""

    @property
    def opened(self) -> CallOpened: ...

    @property
    def door(self) -> TappedDoor: ...

    @property
    def expected(self) -> tuple[LegName, ...]:
        """Legs that should bring packets now: agreed upon, and not on hold."""

    @property
    def verdict(self) -> Verdict | None:
        """As it stands now."""

    async def end(self, reason: str) -> None:
        """End the call; what was recorded is sealed."""


class Ear(Protocol):
    """Live recognition of one leg, in a process of its own."""

    @property
    def lag_s(self) -> float:
        """Seconds of sound that were fed and are not worked off yet."""

    def feed(self, frame: AudioFrame) -> None:
        """Never waits; when the queue is full the frame is dropped and its span remembered."""

    def utterances(self) -> AsyncIterator[Utterance]:
        """Partials and finals, in order; ends after ``finish``."""

    async def finish(self) -> tuple[MissedSpan, ...]:
        """No more frames: flush the last utterance; returns what was not heard."""

    async def cancel(self, why: str) -> None:
        """Give up at once what is not worked off yet; it counts as not heard."""


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


Commit = Callable[[], Awaitable[None]]
"""Called by a courier directly before the step it cannot take back; raises when the report is
no longer its own, and then nothing may be sent."""


class Courier(Protocol):
    """Hands one report over."""

    @property
    def is_repeatable(self) -> bool:
        """Whether delivering the same report twice has the effect of delivering it once."""

    @property
    def settles_as(self) -> DeliveryState:
        """``SENT``, or ``READY`` when a person has to carry it on."""

    async def deliver(self, report: Report, case_path: Path, commit: Commit) -> str:
        """Returns the provider's reference.

        Raises:
            DeliveryError: with ``is_retryable`` and ``is_ambiguous`` set.
        """


NO_QUOTAS: Mapping[Channel, Quota] = MappingProxyType({})


class Outbox(Protocol):
    """Reports waiting to be delivered; the database is the truth. Raises StorageError."""

    async def lease(
        self,
        holder: str,
        now: datetime,
        lease_s: float,
        channels: Collection[Channel],
        repeatable: Collection[Channel],
        quotas: Mapping[Channel, Quota] = NO_QUOTAS,
    ) -> Lease | None:
        """The next report that is due, marked ``SENDING`` before anybody acts on it; what exceeds
        a quota is put off."""

    async def commit(self, lease: Lease, now: datetime) -> bool:
        """Note that the step that cannot be taken back comes now; False: the lease was lost."""

    async def settle_sent(
        self, lease: Lease, now: datetime, reference: str, state: DeliveryState
    ) -> Delivery: ...

    async def settle_failed(
        self,
        lease: Lease,
        now: datetime,
        error: str,
        state: DeliveryState,
        not_before: datetime | None = None,
    ) -> Delivery: ...

    async def next_due(self, channels: Collection[Channel]) -> datetime | None:
        """When the next report is due or the next lease runs out; None: nothing waits."""
