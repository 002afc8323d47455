"""Calls through the real relay, journal and wire log with arrival times of our choosing: an hour
of packets takes seconds, and the network's troubles are exactly those that the test wrote."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.facts.audio import AudioFrame, LegStats, WireLog
from ivr.facts.call import LegName
from ivr.media.journal import Journal
from ivr.media.live import LiveLeg
from ivr.media.payloads import PayloadMap
from ivr.media.relay import Relay
from ivr.media.sockets import Arrival, open_pair
from ivr.media.wire_format import CHAIN_NAME, WIRE_NAME
from ivr.media.wire_writer import WireLogWriter
from tests.fakes.rtp_calls import agreed
from tests.fakes.rtp_sender import HERE, Shot

HOSTS = {leg: f"192.0.2.{number}" for number, leg in enumerate(LegName, 10)}
STRANGER = ("198.51.100.1", 4000)
QUEUE_BLOCKS = 4096  # an hour is fed faster than it is written
AHEAD_S = 60.0
"""The log is closed at the true time, and feeding takes some of it."""


@dataclass
class VirtualCall:
    """What is left of the call."""

    wire: WireLog
    live: dict[LegName, LegStats]
    frames: dict[LegName, list[AudioFrame]]


def run_call(
    folder: Path,
    shots: dict[LegName, Sequence[Shot]],
    payload_types: dict[int, tuple[str, int]],
    *,
    strangers: Sequence[Shot] = (),
    ends_s: float | None = None,
    keep_frames: bool = True,
) -> VirtualCall:
    """One mirrored call: each leg is a side of its own over one wire log.

    Args:
        shots: what arrives on each leg, and when; in order of arrival.
        strangers: sent to every leg's port from somewhere else.
        ends_s: when the log is closed; before anything can have stalled if not given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writer = WireLogWriter(
        folder / WIRE_NAME, folder / CHAIN_NAME, block_s=1.0, queue_blocks=QUEUE_BLOCKS
    )
    journal = Journal(writer)
    frames: dict[LegName, list[AudioFrame]] = {leg: [] for leg in shots}
    port = open_pair(HERE)
    relays = {}
    for leg in shots:
        remote = LiveLeg(leg, PayloadMap())
        relays[leg] = Relay(port, None, journal, journal.add_side(leg, None), remote)
        if keep_frames:
            remote.add_sink(frames[leg].append)
        source = (HOSTS[leg], 4000)
        relays[leg].agree(agreed(source, ("127.0.0.1", 0), payload_types=payload_types))
    events = sorted(
        [(s.at_s, n, leg, s.data, (HOSTS[leg], 4000))
         for leg, each in shots.items() for n, s in enumerate(each)]
        + [(s.at_s, n, leg, s.data, STRANGER) for leg in shots for n, s in enumerate(strangers)],
        key=lambda event: event[:2],
    )  # fmt: skip
    last_s = max((event[0] for event in events), default=0.0)
    start_ns = time.time_ns() - round((last_s - AHEAD_S if ends_s is None else ends_s) * 1e9)
    for at_s, _, leg, data, source in events:
        relays[leg].take(Arrival(data, source, start_ns + round(at_s * 1e9), 0), port.rtp)
    for relay in relays.values():
        relay.remote.flush()
    port.close()
    wire = journal.close()
    return VirtualCall(wire, {leg: relay.remote.stats() for leg, relay in relays.items()}, frames)
