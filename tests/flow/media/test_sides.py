"""A bridge: two sides at one door, four legs in one wire log, nobody on the wrong leg."""

import asyncio
import subprocess
import wave
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import MediaError
from ivr.facts.audio import AudioFrame, GapKind, Recording, WireLog
from ivr.facts.call import LegName
from ivr.media.door import CallDoor
from ivr.media.recordings import read_samples, redecode_matches, write_recordings
from ivr.media.repair import repair
from ivr.media.rtp import pack_rtp
from ivr.media.timeline import read_timelines
from ivr.media.wire_format import WIRE_NAME
from ivr.settings import MediaSettings
from tests.fakes.rtp_calls import FakeAgent, agreed
from tests.fakes.rtp_sender import (
    HERE,
    RATE_HZ,
    Samples,
    onset_s,
    packets,
    silence,
    strongest_hz,
    tone,
    udp_socket,
)

PITCH = {
    LegName.CALLER: 440.0,
    LegName.AGENT: 1000.0,
    LegName.CALLEE: 650.0,
    LegName.AGENT_TO_CALLEE: 1500.0,
}
LEAD_S, TONE_S = 0.4, 0.3
STRANGERS = 3


def speech(leg: LegName) -> list[bytes]:
    """Silence, then the leg's own tone; every leg has its own payload type for A-law."""
    sound = np.concatenate([silence(LEAD_S), tone(PITCH[leg], TONE_S), silence(0.1)])
    return [pack_rtp(packet) for packet in packets(sound, ssrc=list(PITCH).index(leg) + 1)]


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the kernel and the disk set no asyncio.Event
            await asyncio.sleep(0.005)


def accepted(door: CallDoor, leg: LegName) -> int:
    return {stats.leg: stats.accepted for stats in door.stats()}[leg]


def foreign(door: CallDoor, leg: LegName) -> int:
    return {stats.leg: stats.foreign for stats in door.stats()}[leg]


@dataclass
class Bridge:
    folder: Path
    wire: WireLog | None = None
    recordings: dict[LegName, Recording] = field(default_factory=dict)
    frames: dict[LegName, list[AudioFrame]] = field(default_factory=dict)
    foreign: dict[LegName, int] = field(default_factory=dict)
    heard: dict[LegName, list[bytes]] = field(default_factory=dict)

    def samples(self, leg: LegName) -> Samples:
        return read_samples(self.recordings[leg])


async def bridged(folder: Path) -> Bridge:
    """The callee's side is added while the caller is already speaking; then all speak."""
    made = Bridge(folder)
    door = await CallDoor.open(folder, MediaSettings(bind=HERE), call_id="01BRIDGE")
    with (
        udp_socket() as caller,
        udp_socket() as agent_port,
        udp_socket() as callee,
        udp_socket() as outgoing_port,
        udp_socket() as stranger,
    ):
        agent, outgoing = FakeAgent(agent_port), FakeAgent(outgoing_port)
        door.agree(agreed(caller.getsockname(), agent.address))
        await agent.latch()
        side = door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)
        side.agree(agreed(callee.getsockname(), outgoing.address))
        await outgoing.latch()
        for leg in PITCH:
            made.frames[leg] = []
            door.tap(leg, made.frames[leg].append)
        callee_way = (side.endpoint.host, side.endpoint.port)
        ways = {
            LegName.CALLER: (caller, (door.endpoint.host, door.endpoint.port)),
            LegName.AGENT: (agent_port, door.inside),
            LegName.CALLEE: (callee, callee_way),
            LegName.AGENT_TO_CALLEE: (outgoing_port, side.inside),
        }
        for number in range(len(speech(LegName.CALLER))):
            for leg, (sender, to) in ways.items():
                sender.sendto(speech(leg)[number], to)
        for _ in range(STRANGERS):
            stranger.sendto(speech(LegName.CALLER)[0], callee_way)
        caller.sendto(speech(LegName.CALLER)[0], callee_way)  # a friend, but not on this side
        for leg in PITCH:
            await until(lambda leg=leg: accepted(door, leg) == len(speech(leg)))
        await until(lambda: foreign(door, LegName.CALLEE) == STRANGERS + 1)
        made.foreign = {stats.leg: stats.foreign for stats in door.stats()}
        wire = await door.close()
        made.heard = {LegName.CALLEE: outgoing.drain(), LegName.CALLER: agent.drain()}
    recordings = await asyncio.to_thread(write_recordings, wire, folder)
    made.recordings = {recording.leg: recording for recording in recordings}
    made.wire = wire
    return made


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Bridge:
    return asyncio.run(bridged(tmp_path_factory.mktemp("bridge")))


def test_four_legs_come_out_in_the_order_of_the_sides(bridge: Bridge) -> None:
    assert list(bridge.recordings) == list(PITCH)


@pytest.mark.parametrize("leg", PITCH)
def test_each_tone_is_found_at_its_second_on_its_own_leg(bridge: Bridge, leg: LegName) -> None:
    samples = bridge.samples(leg)
    assert onset_s(samples) == pytest.approx(LEAD_S, abs=0.02)
    inside = samples[round((LEAD_S + 0.03) * RATE_HZ) : round((LEAD_S + TONE_S) * RATE_HZ)]
    assert strongest_hz(inside) == pytest.approx(PITCH[leg], abs=8)
    assert bridge.recordings[leg].stats.accepted == len(speech(leg))


@pytest.mark.parametrize("leg", PITCH)
def test_every_leg_can_be_tapped(bridge: Bridge, leg: LegName) -> None:
    live = b"".join(frame.pcm for frame in bridge.frames[leg])
    assert live == bridge.samples(leg).astype("<i2").tobytes()
    assert {frame.leg for frame in bridge.frames[leg]} == {leg}


def test_strangers_are_counted_on_the_side_they_came_to(bridge: Bridge) -> None:
    expected = dict.fromkeys(PITCH, 0) | {LegName.CALLEE: STRANGERS + 1}
    assert bridge.foreign == expected
    assert {leg: r.stats.foreign for leg, r in bridge.recordings.items()} == expected


def test_no_packet_of_one_side_reaches_the_other(bridge: Bridge) -> None:
    assert set(bridge.heard[LegName.CALLEE]) >= set(speech(LegName.CALLEE))
    assert not set(bridge.heard[LegName.CALLEE]) & set(speech(LegName.CALLER))
    assert not set(bridge.heard[LegName.CALLER]) & set(speech(LegName.CALLEE))


def test_tshark_reads_the_interfaces_of_both_sides(bridge: Bridge) -> None:
    done = subprocess.run(
        ["tshark", "-n", "-r", bridge.folder / WIRE_NAME, "-Y", "udp",
         "-T", "fields", "-e", "frame.interface_name"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = Counter(done.stdout.splitlines())
    assert {name for name in names if not name.startswith("foreign")} == {*PITCH}
    assert names["foreign:callee"] == STRANGERS + 1


def test_every_listening_copy_can_be_made_again(bridge: Bridge) -> None:
    copies = sorted(bridge.folder.glob("*.wav"))
    assert len(copies) == 5
    assert bridge.wire is not None
    assert redecode_matches(bridge.wire, copies) == ()


def test_the_stereo_file_has_the_caller_left_and_the_callee_right(bridge: Bridge) -> None:
    with wave.open(str(bridge.folder / "call.wav")) as sound:
        both = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").reshape(-1, 2)
    for channel, leg in ((0, LegName.CALLER), (1, LegName.CALLEE)):
        at = round((bridge.recordings[leg].start_s + LEAD_S + 0.03) * RATE_HZ)
        inside = both[at : at + round(0.25 * RATE_HZ), channel]
        assert strongest_hz(inside) == pytest.approx(PITCH[leg], abs=8)


async def test_a_side_that_never_agreed_leaves_no_leg_and_the_call_goes_on(
    tmp_path: Path,
) -> None:
    """The subscriber did not pick up: the agent answers alone."""
    door = await CallDoor.open(tmp_path, MediaSettings(bind=HERE), call_id="01ALONE")
    with udp_socket() as caller, udp_socket() as agent_port, udp_socket() as ringing:
        door.agree(agreed(caller.getsockname(), FakeAgent(agent_port).address))
        side = door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)
        for data in speech(LegName.CALLEE)[:5]:  # early media that nobody agreed to
            ringing.sendto(data, (side.endpoint.host, side.endpoint.port))
        for data in speech(LegName.CALLER):
            caller.sendto(data, (door.endpoint.host, door.endpoint.port))
        await until(lambda: accepted(door, LegName.CALLER) == len(speech(LegName.CALLER)))
        assert door.last_packet_age_s(LegName.CALLEE) >= 0.0
        wire = await door.close()
    (recording,) = write_recordings(wire, tmp_path)
    assert recording.leg is LegName.CALLER
    assert recording.stats.foreign == 0


async def test_a_side_that_was_removed_ends_there_and_may_come_again(tmp_path: Path) -> None:
    door = await CallDoor.open(tmp_path, MediaSettings(bind=HERE), call_id="01AGAIN")
    with udp_socket() as caller, udp_socket() as agent_port, udp_socket() as callee:
        agent = FakeAgent(agent_port)
        door.agree(agreed(caller.getsockname(), agent.address))
        stream = speech(LegName.CALLEE)
        for half in (stream[:20], stream[20:]):
            side = door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)
            side.agree(agreed(callee.getsockname(), agent.address))
            before = accepted(door, LegName.CALLEE)
            for data in half:
                callee.sendto(data, (side.endpoint.host, side.endpoint.port))
            await until(lambda: accepted(door, LegName.CALLEE) == before + len(half))  # noqa: B023
            door.remove_side(LegName.CALLEE)
        with pytest.raises(KeyError):
            door.remove_side(LegName.CALLEE)
        assert set(door.ages_s()) == {LegName.CALLER, LegName.AGENT}
        assert door.last_packet_age_s(LegName.CALLEE) < 5.0
        wire = await door.close()
    (line,) = read_timelines(wire.path).legs
    assert line.leg is LegName.CALLEE
    assert line.stats.accepted == len(stream)
    assert line.stats.lost == 0
    assert [gap.kind for gap in line.gaps if gap.kind is GapKind.STALLED] == []
    assert onset_s(line.samples) == pytest.approx(LEAD_S, abs=0.02)


@pytest.mark.parametrize(
    ("remote", "own"),
    [
        (LegName.CALLER, LegName.AGENT_TO_CALLEE),
        (LegName.CALLEE, LegName.AGENT),
        (LegName.CALLEE, LegName.CALLEE),
        (LegName.AGENT_TO_CALLEE, LegName.CALLEE),
    ],
)
async def test_a_leg_cannot_stand_twice_in_a_log(
    tmp_path: Path, remote: LegName, own: LegName
) -> None:
    door = await CallDoor.open(tmp_path, MediaSettings(bind=HERE), call_id="01TWICE")
    with pytest.raises(ValueError, match="cannot be opened"):
        door.add_side(remote, own)
    await door.close()
    with pytest.raises(ValueError, match="cannot be opened"):
        door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)


def test_a_log_that_was_cut_off_among_its_sides_is_repaired(bridge: Bridge, tmp_path: Path) -> None:
    for name in ("wire.pcapng", "wire.chain.jsonl"):
        (tmp_path / name).write_bytes((bridge.folder / name).read_bytes())
    chain, wire = tmp_path / "wire.chain.jsonl", tmp_path / WIRE_NAME
    chain.write_bytes(b"")
    whole = wire.read_bytes()
    wire.write_bytes(whole[:-2000])
    mended = repair(wire)
    assert mended.recovered_packets > 0
    lines = read_timelines(mended.wire_log.path)
    assert [line.leg for line in lines.legs] == list(PITCH)
    assert not lines.is_complete


@given(data=st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_log_of_several_sides_is_read_or_refused(
    bridge: Bridge, tmp_path: Path, data: st.DataObject
) -> None:
    whole = (bridge.folder / WIRE_NAME).read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        # the facts and interfaces of the second side are what is new here
        damaged[data.draw(st.integers(0, min(len(whole), 6000) - 1))] = data.draw(
            st.integers(0, 255)
        )
    path = tmp_path / "damaged.pcapng"
    path.write_bytes(damaged)
    with suppress(MediaError):
        for line in read_timelines(path).legs:
            assert line.leg in LegName
