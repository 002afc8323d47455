"""The door between real sockets: who may pass, where packets go, what happens around a call."""

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivr.errors import EnvironmentProblem, MediaError
from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.media.door import CallDoor
from ivr.media.knock import BURST
from ivr.media.recordings import write_recordings
from ivr.media.rtp import pack_rtp
from ivr.media.sockets import open_pair
from ivr.media.wire_format import LoggedFact, WireLogReader
from ivr.ports import Door
from ivr.settings import MediaSettings
from tests.fakes.rtp_calls import FakeAgent, agreed, received
from tests.fakes.rtp_sender import HERE, packets, tone, udp_socket

STREAM = packets(tone(440, 0.4))
DATA = [pack_rtp(packet) for packet in STREAM]
RECEIVER_REPORT = bytes.fromhex("80c90001 12345678")
MALFORMED = b"\x9f" + DATA[0][1:14]


async def open_door(folder: Path, **settings: object) -> CallDoor:
    return await CallDoor.open(
        folder, MediaSettings(**{"bind": HERE, **settings}), call_id="01DOOR"
    )  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the kernel and the disk set no asyncio.Event
            await asyncio.sleep(0.005)


def accepted(door: Door) -> int:
    return door.stats()[0].accepted


def foreign(door: Door) -> int:
    return door.stats()[0].foreign


def address(door: CallDoor) -> tuple[str, int]:
    return door.endpoint.host, door.endpoint.port


class Peers:
    """Everybody who talks to the door; closed when the test ends."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []

    def udp(self, host: str = HERE) -> socket.socket:
        self._open.append(udp_socket(host))
        return self._open[-1]

    def agent(self) -> FakeAgent:
        return FakeAgent(self.udp())

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Two sockets on an even port and the next: a peer with RTCP of its own."""
        ports = open_pair(HERE)
        assert ports.rtcp is not None
        self._open += [ports.rtp.socket, ports.rtcp.socket]
        return ports.rtp.socket, ports.rtcp.socket

    def close(self) -> None:
        for each in self._open:
            each.close()


@pytest.fixture
def peers() -> Iterator[Peers]:
    made = Peers()
    yield made
    made.close()


async def test_what_comes_before_the_agreement_is_kept_and_judged_by_it(
    tmp_path: Path, peers: Peers
) -> None:
    door, caller, stranger, agent = (
        await open_door(tmp_path), peers.udp(), peers.udp("127.0.0.9"), peers.agent(),
    )  # fmt: skip
    for data in (*DATA[:5], MALFORMED):
        caller.sendto(data, address(door))
    for data in DATA[:3]:
        stranger.sendto(data, address(door))
    await until(lambda: (tmp_path / "wire.pcapng").stat().st_size > 2000)
    assert (accepted(door), foreign(door)) == (0, 0)
    door.agree(agreed(caller.getsockname(), agent.address))
    caller.sendto(DATA[5], address(door))
    await until(lambda: accepted(door) == 6)
    live = door.stats()[0]
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert (live.foreign, live.malformed) == (3, 1)
    assert (recording.stats.accepted, recording.stats.foreign) == (6, 3)
    assert recording.stats.malformed == 1
    assert recording.samples == 6 * 160


async def test_a_caller_behind_a_nat_is_latched_by_the_signalling_address(
    tmp_path: Path, peers: Peers
) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp("127.0.0.7"), peers.agent()
    other = peers.udp("127.0.0.8")
    door.agree(agreed(("10.1.2.3", 5004), agent.address, signalled_from="127.0.0.7"))
    other.sendto(DATA[0], address(door))
    caller.sendto(DATA[0], address(door))
    await until(lambda: accepted(door) == 1)
    await agent.latch()
    agent.port.sendto(DATA[0], door.inside)
    await until(lambda: received(caller) == [DATA[0]])
    assert foreign(door) == 1
    await door.close()


async def test_a_malformed_packet_is_logged_and_goes_no_further(
    tmp_path: Path, peers: Peers
) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    for data in (DATA[0], MALFORMED, DATA[1]):
        caller.sendto(data, address(door))
    await until(lambda: accepted(door) == 2)
    assert door.stats()[0].malformed == 1
    wire = await door.close()
    assert MALFORMED in wire.path.read_bytes()
    assert agent.drain()[BURST:] == [DATA[0], DATA[1]]


async def test_a_new_address_takes_over_when_it_speaks_and_nothing_is_lost_before(
    tmp_path: Path, peers: Peers
) -> None:
    door, before, after, agent = (
        await open_door(tmp_path), peers.udp("127.0.0.2"), peers.udp("127.0.0.3"), peers.agent(),
    )  # fmt: skip
    door.agree(agreed(before.getsockname(), agent.address))
    before.sendto(DATA[0], address(door))
    await until(lambda: accepted(door) == 1)
    door.agree(agreed(after.getsockname(), agent.address))
    before.sendto(DATA[1], address(door))
    await until(lambda: accepted(door) == 2)
    after.sendto(DATA[2], address(door))
    await until(lambda: accepted(door) == 3)
    before.sendto(DATA[3], address(door))
    await until(lambda: foreign(door) == 1)
    await door.close()


async def test_hold_and_resume_at_the_same_address_keeps_the_leg(
    tmp_path: Path, peers: Peers
) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    facts = agreed(caller.getsockname(), agent.address)
    for number, direction in enumerate(("sendrecv", "inactive", "sendrecv")):
        hold = {"agent": ("127.0.0.1", 0)} if direction == "inactive" else {}
        door.agree(replace(facts, direction=direction, **hold))
        caller.sendto(DATA[number], address(door))
        await until(lambda number=number: accepted(door) == number + 1)
    names = [fact.name for fact in WireLogReader((await door.close()).path)
             if isinstance(fact, LoggedFact)]  # fmt: skip
    assert names.count("media_agreed") == 3
    assert names.count("source_latched") == 1
    assert agent.drain()[-3:] == DATA[:3]


async def test_rtcp_passes_both_ways_on_its_own_ports(tmp_path: Path, peers: Peers) -> None:
    door = await open_door(tmp_path)
    (caller, caller_rtcp), (agent, agent_rtcp) = peers.pair(), peers.pair()
    door.agree(agreed(caller.getsockname(), agent.getsockname()))
    host, port = address(door)
    caller_rtcp.sendto(RECEIVER_REPORT, (host, port + 1))
    await until(lambda: received(agent_rtcp) == [RECEIVER_REPORT])
    agent_rtcp.sendto(RECEIVER_REPORT, (door.inside[0], door.inside[1] + 1))
    await until(lambda: received(caller_rtcp) == [RECEIVER_REPORT])
    wire = await door.close()
    assert wire.path.read_bytes().count(RECEIVER_REPORT) == 2
    assert door.stats()[0].accepted == 0  # RTCP is no sound


async def test_rtcp_on_the_rtp_port_is_answered_there(tmp_path: Path, peers: Peers) -> None:
    door, caller = await open_door(tmp_path), peers.udp()
    agent, agent_rtcp = peers.pair()
    door.agree(agreed(caller.getsockname(), agent.getsockname()))
    caller.sendto(RECEIVER_REPORT, address(door))
    await until(lambda: received(agent_rtcp) == [RECEIVER_REPORT])
    agent_rtcp.sendto(RECEIVER_REPORT, (door.inside[0], door.inside[1] + 1))
    await until(lambda: received(caller) == [RECEIVER_REPORT])
    await door.close()


async def test_the_door_knocks_until_the_agent_answers(tmp_path: Path, peers: Peers) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    await until(lambda: len(agent.drain()) > BURST)
    agent.port.sendto(DATA[0], door.inside)
    await until(lambda: received(caller) == [DATA[0]])
    heard = len(agent.drain())
    await asyncio.sleep(0.5)  # more than two knocks long: silence is what is promised
    assert len(agent.drain()) == heard
    await door.close()


async def test_nobody_else_on_this_machine_speaks_as_the_agent(
    tmp_path: Path, peers: Peers
) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    peers.udp().sendto(DATA[0], door.inside)
    await until(lambda: foreign(door) == 1)
    assert door.stats()[1].accepted == 0
    assert received(caller) == []
    await door.close()


async def test_a_host_name_in_the_sdp_is_refused_before_anything_changes(
    tmp_path: Path, peers: Peers
) -> None:
    door, agent = await open_door(tmp_path), peers.agent()
    with pytest.raises(MediaError, match="not a numeric one"):
        door.agree(agreed(("caller.example.com", 4000), agent.address))
    wire = await door.close()
    assert b"media_agreed" not in wire.path.read_bytes()


async def test_a_broken_listener_does_not_end_the_recording(tmp_path: Path, peers: Peers) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    good: list[AudioFrame] = []

    def broken(frame: AudioFrame) -> None:
        raise RuntimeError("recogniser is gone")

    door.tap(LegName.CALLER, broken)
    door.tap(LegName.CALLER, good.append)
    door.agree(agreed(caller.getsockname(), agent.address))
    for data in DATA:
        caller.sendto(data, address(door))
    await until(lambda: accepted(door) == len(DATA))
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert recording.stats.accepted == len(DATA) == len(good)


async def test_a_leg_that_does_not_exist_cannot_be_tapped(tmp_path: Path) -> None:
    door = await open_door(tmp_path)
    with pytest.raises(KeyError):
        door.tap(LegName.MIXED, print)
    await door.close()


async def test_the_age_of_the_last_packet_shows_a_dead_leg(tmp_path: Path, peers: Peers) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    await until(lambda: door.last_packet_age_s(LegName.CALLER) > 0.2)
    caller.sendto(DATA[0], address(door))
    await until(lambda: door.last_packet_age_s(LegName.CALLER) < 0.1)
    assert door.last_packet_age_s(LegName.AGENT) > 0.2
    await door.close()


async def test_a_conference_is_one_mixed_leg(tmp_path: Path, peers: Peers) -> None:
    door = await CallDoor.open(
        tmp_path, MediaSettings(bind=HERE), call_id="01MIXED", remote_leg=LegName.MIXED
    )
    caller, agent = peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    caller.sendto(DATA[0], address(door))
    await until(lambda: accepted(door) == 1)
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert recording.leg is LegName.MIXED
    assert recording.path.name == "mixed.wav"


async def test_a_leg_that_goes_dead_is_filled_up_to_the_end_and_says_so(
    tmp_path: Path, peers: Peers
) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    for data in DATA:
        caller.sendto(data, address(door))
    await until(lambda: accepted(door) == len(DATA))
    await until(lambda: door.last_packet_age_s(LegName.CALLER) > 1.1)
    (recording,) = write_recordings(await door.close(), tmp_path)
    (gap,) = recording.gaps
    assert (gap.kind, gap.offset) == ("stalled", 3200)
    assert gap.samples == recording.samples - 3200
    assert 1.0 < gap.samples / 8000 < 3.0


async def test_a_call_without_packets_leaves_a_log_and_no_legs(tmp_path: Path) -> None:
    door = await open_door(tmp_path)
    wire = await door.close()
    assert await door.close() == wire
    assert wire.first_packet_at is None
    assert wire.blocks == 1
    assert write_recordings(wire, tmp_path) == ()
    assert door.incomplete_reasons() == ()


async def test_ports_are_an_even_one_out_of_the_range_and_the_next(tmp_path: Path) -> None:
    free = open_pair(HERE)
    low = free.rtp.address[1]
    free.close()
    doors = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        doors.append(await open_door(tmp_path / name, port_min=low, port_max=low + 40))
    used = [door.endpoint.port for door in doors]
    assert all(port % 2 == 0 and low <= port <= low + 40 for port in used)
    assert len({*used}) == 2
    for door in doors:
        await door.close()


async def test_no_free_port_is_said_with_a_remedy(tmp_path: Path) -> None:
    taken = open_pair(HERE)
    low = taken.rtp.address[1]
    with pytest.raises(EnvironmentProblem, match="No pair of UDP ports") as problem:
        await open_door(tmp_path, port_min=low, port_max=low + 1)
    assert "port_min" in problem.value.remedy
    taken.close()


async def test_too_many_open_files_is_said_with_its_own_remedy(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)  # the next free number
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, before[1]))
    try:
        with pytest.raises(EnvironmentProblem, match="No more sockets") as problem:
            open_pair(HERE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "LimitNOFILE" in problem.value.remedy


async def test_a_folder_that_is_not_there_frees_the_ports_again(tmp_path: Path) -> None:
    taken = open_pair(HERE)
    low = taken.rtp.address[1]
    taken.close()
    with pytest.raises(MediaError, match="cannot be created"):
        await open_door(tmp_path / "missing", port_min=low, port_max=low + 1)
    open_pair(HERE, low, low + 1).close()


async def test_the_advertised_address_goes_into_the_sdp(tmp_path: Path) -> None:
    door = await open_door(tmp_path, advertise="203.0.113.5")
    assert door.endpoint.host == "203.0.113.5"
    await door.close()


async def test_packets_the_kernel_had_to_drop_are_told(tmp_path: Path, peers: Peers) -> None:
    door, caller, agent = await open_door(tmp_path), peers.udp(), peers.agent()
    door.agree(agreed(caller.getsockname(), agent.address))
    flood = packets(np.zeros(8000 * 30, dtype=np.int16), ptime_ms=10)
    for packet in flood[:-1]:  # without a pause for the loop: more than the buffer holds
        caller.sendto(pack_rtp(packet), address(door))
    await until(lambda: accepted(door) > 100 and door.last_packet_age_s(LegName.CALLER) > 0.1)
    caller.sendto(pack_rtp(flood[-1]), address(door))
    await until(lambda: door.trouble is not None)
    trouble = door.trouble
    assert trouble is not None
    assert trouble.unlogged == len(flood) - accepted(door) > 0
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert not recording.is_complete
    assert recording.stats.lost == trouble.unlogged
    assert "threw packets away" in door.incomplete_reasons()[0]
