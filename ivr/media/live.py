"""One leg while the call runs: counters, and decoded frames for the recogniser."""

import time
from typing import Final

from ivr.facts.audio import AudioFrame, LegStats
from ivr.facts.call import LegName
from ivr.media.codecs import LegDecoder, samples_by_length
from ivr.media.g711 import RATE_HZ
from ivr.media.payloads import Coding, PayloadMap
from ivr.media.rtp import RtpPacket
from ivr.media.sequencing import Jitter, LegClock, Reception, Sequencer
from ivr.ports import FrameSink
from ivr.telemetry import logger

WINDOW_NS: Final = 80_000_000
WINDOW_PACKETS: Final = 8
"""How long the tap waits for a missing packet: 80 ms or 8 later packets, whichever is first.
A packet that comes after that is ``late`` for the tap; the offline time line still takes it."""

_log = logger("ivr.media")


class LiveLeg:
    """Reorders, decodes and hands on the packets of one leg. Never waits, never raises.

    Args:
        payloads: shared with the other leg of the side, kept up to date by its relay.
    """

    def __init__(self, leg: LegName, payloads: PayloadMap) -> None:
        self.leg = leg
        self.foreign = 0
        self.malformed = 0
        self.last_at = time.monotonic()  # of the last valid packet, or since we listen
        self.payloads = payloads
        self._sequencer = Sequencer()
        self._decoder = LegDecoder()
        self._clock = LegClock(RATE_HZ)
        self._jitter = Jitter(RATE_HZ)
        self._sinks: list[FrameSink] = []
        self._window: dict[int, tuple[RtpPacket, int]] = {}
        self._run = -1
        self._expected: int | None = None
        self._end = 0
        self._accepted = 0
        self._late = 0
        self._comfort_noise = 0
        self._types: dict[str, None] = {}
        self._ssrcs: dict[int, None] = {}

    def add_sink(self, sink: FrameSink) -> None:
        self._sinks.append(sink)

    def receive(self, packet: RtpPacket, at_ns: int) -> None:
        """Take a valid packet of this leg that arrived at ``at_ns`` (since 1970)."""
        place = self._sequencer.place(packet, at_ns)
        if place.is_duplicate:
            return
        self._types[self.payloads.label(packet.payload_type)] = None
        self._ssrcs[packet.ssrc] = None
        coding = self.payloads.coding(packet.payload_type)
        if coding is not None and coding.is_sound:
            self._jitter.feed(place.run, packet.timestamp, at_ns, coding.clock_hz)
        if place.run != self._run:
            self.flush()
            # before anything was heard, a swapped pair must not make the second packet the first
            self._expected = None if self._run < 0 else place.extended
            self._run = place.run
        if self._expected is not None and place.extended < self._expected:
            self._late += 1
            return
        self._accepted += 1
        self._window[place.extended] = (packet, at_ns)
        self.advance(at_ns)

    def advance(self, now_ns: int) -> None:
        """Hand on what is in order, and what has waited long enough."""
        window = self._window
        while window:
            if self._expected not in window:
                oldest = min(at_ns for _, at_ns in window.values())
                if len(window) <= WINDOW_PACKETS and now_ns - oldest < WINDOW_NS:
                    return
                self._expected = min(window)
            assert self._expected is not None
            packet, at_ns = window.pop(self._expected)
            self._expected += 1
            self._hear(packet, at_ns)

    def flush(self) -> None:
        """Hand on everything that is left, in order."""
        for extended in sorted(self._window):
            self._hear(*self._window.pop(extended))
            self._expected = extended + 1

    def _hear(self, packet: RtpPacket, at_ns: int) -> None:
        coding = self.payloads.coding(packet.payload_type)
        if coding is None:
            return
        if not coding.is_sound:
            self._hear_silence(packet, at_ns, coding)
            return
        if not packet.payload:
            return
        samples, pcm = samples_by_length(coding.name, packet.payload), None
        if samples is None or self._sinks:
            pcm = self._decoder.decode(coding.name, coding.clock_hz, packet.ssrc, packet.payload)
            samples = len(pcm)
        offset, _ = self._clock.place(self._run, packet, at_ns, samples, coding.clock_hz)
        skip = max(self._end - offset, 0)
        if skip >= samples:
            return  # the line is past it
        gap = max(offset - self._end, 0)
        self._end = offset + samples
        if pcm is not None:
            self._hand_on(AudioFrame(self.leg, offset + skip, RATE_HZ, pcm[skip:].tobytes(), gap))

    def _hear_silence(self, packet: RtpPacket, at_ns: int, coding: Coding) -> None:
        """Comfort noise: the leg is silent up to here, which is known and heard as zeros."""
        self._comfort_noise += 1
        offset, _ = self._clock.place(self._run, packet, at_ns, 0, coding.clock_hz)
        quiet = min(offset - self._end, RATE_HZ)  # what is longer was a pause without packets
        if quiet <= 0:
            return
        gap = offset - self._end - quiet
        self._end = offset
        self._hand_on(AudioFrame(self.leg, offset - quiet, RATE_HZ, bytes(2 * quiet), gap))

    def _hand_on(self, frame: AudioFrame) -> None:
        for sink in tuple(self._sinks):
            try:
                sink(frame)
            except Exception:  # noqa: BLE001 - a broken listener must not end the recording
                self._sinks.remove(sink)
                _log.exception("tap removed: its sink raised", leg=self.leg.value)

    @property
    def reception(self) -> Reception | None:
        """What a receiver report says of the newest source; None before its first packet."""
        return self._sequencer.reception(self._jitter.units)

    def stats(self) -> LegStats:
        return LegStats(
            leg=self.leg,
            accepted=self._accepted,
            duplicate=self._sequencer.duplicates,
            late=self._late,
            foreign=self.foreign,
            malformed=self.malformed,
            lost=self._sequencer.lost,
            reordered=self._sequencer.reordered,
            jitter_ms=self._jitter.ms,
            payload_types=tuple(self._types),
            ssrcs=tuple(self._ssrcs),
            comfort_noise=self._comfort_noise,
        )
