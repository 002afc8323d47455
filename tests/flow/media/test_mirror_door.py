"""Streams that end at the door: legs come and go, RTCP is answered, strangers stay outside."""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.facts.audio import AudioFrame, GapKind
from ivr.facts.call import LegName, MediaAgreed
from ivr.media import rtcp
from ivr.media.mirror_door import MirrorDoor
from ivr.media.recordings import read_samples, write_recordings
from ivr.media.rtp import is_rtcp, pack_rtp
from ivr.media.side import Endpoint
from ivr.media.sockets import open_pair
from ivr.settings import MediaSettings
from tests.fakes.rtp_calls import agreed, received
from tests.fakes.rtp_sender import HERE, coded_packets, packets, strongest_hz, tone, udp_socket

NOBODY = ("127.0.0.1", 0)
PITCH = {LegName.CALLER: 440.0, LegName.CALLEE: 1000.0}
LENGTH_S = 0.4


def stream(leg: LegName, **changes: int) -> list[bytes]:
    sound = tone(PITCH[leg], LENGTH_S)
    return [pack_rtp(packet) for packet in packets(sound, ssrc=ord(leg[-1]), **changes)]


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the kernel and the disk set no asyncio.Event
            await asyncio.sleep(0.005)


def accepted(door: MirrorDoor, leg: LegName) -> int:
    return {stats.leg: stats.accepted for stats in door.stats()}[leg]


def way(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint.host, endpoint.port


def media(sender: tuple[str, int]) -> MediaAgreed:
    return agreed(sender, NOBODY, direction="recvonly")


async def open_door(folder: Path) -> MirrorDoor:
    return await MirrorDoor.open(folder, MediaSettings(bind=HERE), call_id="01MIRROR")


async def test_each_stream_is_a_leg_heard_live_and_recorded(tmp_path: Path) -> None:
    door = await open_door(tmp_path)
    frames: dict[LegName, list[AudioFrame]] = {leg: [] for leg in PITCH}
    with udp_socket() as sender, udp_socket("127.0.0.9") as stranger:
        for leg in PITCH:
            endpoint = await door.add_stream(leg)
            door.tap(leg, frames[leg].append)
            for data in stream(leg)[:5]:  # before the answer is agreed
                sender.sendto(data, way(endpoint))
            door.agree(leg, media(sender.getsockname()))
            for data in stream(leg)[5:]:
                sender.sendto(data, way(endpoint))
            stranger.sendto(stream(leg)[0], way(endpoint))
        for leg in PITCH:
            await until(lambda leg=leg: accepted(door, leg) == len(stream(leg)))
            assert door.last_packet_age_s(leg) < 5.0
        await until(lambda: [stats.foreign for stats in door.stats()] == [1, 1])
        assert received(sender) == []  # nobody answers with sound
    wire = await door.close()
    recordings = write_recordings(wire, tmp_path)
    assert [recording.leg for recording in recordings] == list(PITCH)
    for recording in recordings:
        assert recording.samples == round(LENGTH_S * 8000)
        assert recording.stats.foreign == 1
        assert recording.is_complete
        pcm = b"".join(frame.pcm for frame in frames[recording.leg])
        assert len(pcm) == 2 * recording.samples
        assert recording.path.read_bytes()[44:] == pcm
    assert (door.trouble, door.unsent, door.incomplete_reasons()) == (None, 0, ())


async def test_a_removed_stream_keeps_its_leg_and_may_be_added_again(tmp_path: Path) -> None:
    door = await open_door(tmp_path)
    leg = LegName.CALLEE
    with udp_socket() as sender, udp_socket() as other:
        first = await door.add_stream(leg)
        door.agree(leg, media(sender.getsockname()))
        for data in stream(leg):
            sender.sendto(data, way(first))
        await until(lambda: accepted(door, leg) == len(stream(leg)))
        door.remove_stream(leg)
        with pytest.raises(KeyError):
            door.agree(leg, media(sender.getsockname()))
        with pytest.raises(KeyError):
            door.remove_stream(leg)
        assert accepted(door, leg) == len(stream(leg))  # still told
        again = await door.add_stream(leg)
        door.agree(leg, media(other.getsockname()))
        later = stream(leg, sequence=9, timestamp=77)
        for data in later:
            other.sendto(data, way(again))
        await until(lambda: accepted(door, leg) == 2 * len(later))
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert recording.leg is leg
    assert recording.samples >= 2 * round(LENGTH_S * 8000) - 160


async def test_a_stream_removed_early_is_not_filled_up_to_the_end_of_the_call(
    tmp_path: Path,
) -> None:
    door = await open_door(tmp_path)
    with udp_socket() as sender:
        for leg in PITCH:
            endpoint = await door.add_stream(leg)
            door.agree(leg, media(sender.getsockname()))
            for data in stream(leg):
                sender.sendto(data, way(endpoint))
            await until(lambda leg=leg: accepted(door, leg) == len(stream(leg)))
        door.remove_stream(LegName.CALLEE)
        await until(lambda: door.last_packet_age_s(LegName.CALLER) > 1.1)
    caller, callee = write_recordings(await door.close(), tmp_path)
    assert [gap.kind for gap in caller.gaps] == [GapKind.STALLED]
    assert callee.gaps == ()


async def test_a_stream_cannot_be_added_twice_nor_be_ours(tmp_path: Path) -> None:
    door = await open_door(tmp_path)
    await door.add_stream(LegName.CALLER)
    for leg in (LegName.CALLER, LegName.AGENT):
        with pytest.raises(ValueError, match="cannot be opened"):
            await door.add_stream(leg)
    wire = await door.close()
    assert write_recordings(wire, tmp_path) == ()
    with pytest.raises(ValueError, match="cannot be opened"):
        await door.add_stream(LegName.CALLEE)


async def test_six_parties_of_a_conference_are_six_legs(tmp_path: Path) -> None:
    door = await open_door(tmp_path)
    legs = [LegName.CALLER, LegName.CALLEE, *(LegName(f"party_{n}") for n in range(3, 7))]
    with udp_socket() as sender:
        for number, leg in enumerate(legs):
            endpoint = await door.add_stream(leg)
            door.agree(leg, media(sender.getsockname()))
            sound = tone(400.0 + 100 * number, 0.2)
            for packet in packets(sound, ssrc=number):
                sender.sendto(pack_rtp(packet), way(endpoint))
            await until(lambda leg=leg: accepted(door, leg) == 10)
    lines = write_recordings(await door.close(), tmp_path)
    assert [line.leg for line in lines] == legs
    for number, line in enumerate(lines):
        assert strongest_hz(read_samples(line)) == pytest.approx(400 + 100 * number, abs=6)


def sender_report(ssrc: int, ntp_middle: int) -> bytes:
    """RFC 3550 section 6.4.1, with no report blocks."""
    return struct.pack("!BBHIHIHIII", 0x80, 200, 6, ssrc, 1, ntp_middle, 2, 0, 0, 0)


async def test_the_door_reports_to_where_the_streams_reports_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtcp, "REPORT_EVERY_S", 0.1)
    door = await open_door(tmp_path)
    pair = open_pair(HERE)
    assert pair.rtcp is not None
    endpoint = await door.add_stream(LegName.CALLER)
    door.agree(LegName.CALLER, media(pair.rtp.address))
    data = stream(LegName.CALLER)
    kept = [each for n, each in enumerate(data) if n not in (5, 6)]
    for each in kept:
        pair.rtp.send(each, way(endpoint))
    await until(lambda: accepted(door, LegName.CALLER) == len(kept))
    ssrc = ord(LegName.CALLER[-1])
    pair.rtcp.send(sender_report(ssrc, 0xABCD1234), (endpoint.host, endpoint.port + 1))
    reports: list[bytes] = []

    def has_report() -> bool:
        arrival = pair.rtcp.receive()  # type: ignore[union-attr]
        reports.extend([arrival.payload] if arrival else [])
        return len(reports) >= 2

    await until(has_report)
    wire = await door.close()
    pair.close()
    first = reports[0]
    assert is_rtcp(first)
    kind, words, _, about, lost, highest, _, last_report, delay = struct.unpack_from(
        "!xBHIIIIIII", first
    )
    assert (kind, words, about) == (201, 7, ssrc)
    assert lost == (2 * 256 // len(data)) << 24 | 2
    assert highest == 65_500 + len(data) - 1
    assert last_report == 0xABCD1234
    assert 0 <= delay < 5 * 65536
    assert first[33] == 202
    assert len(first) % 4 == 0
    later = struct.unpack_from("!xBHIII", reports[1])[4]
    assert later == 2  # nothing was lost since
    assert wire.path.read_bytes().count(first) == 1  # what we send is in the log too


async def test_a_stream_is_locked_to_its_source_whoever_shares_its_address(
    tmp_path: Path,
) -> None:
    door = await open_door(tmp_path)
    leg = LegName.CALLER
    endpoint = await door.add_stream(leg)
    with udp_socket() as sender, udp_socket() as neighbour:
        door.agree(leg, media(sender.getsockname()))
        sender.sendto(stream(leg)[0], way(endpoint))
        await until(lambda: accepted(door, leg) == 1)
        for data in stream(LegName.CALLEE):
            neighbour.sendto(data, way(endpoint))
        await until(lambda: door.stats()[0].foreign == len(stream(LegName.CALLEE)))
        door.agree(leg, media(sender.getsockname()))  # a refresh does not open the lock
        neighbour.sendto(stream(leg)[1], way(endpoint))
        sender.sendto(stream(leg)[1], way(endpoint))
        await until(lambda: accepted(door, leg) == 2)
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert recording.samples == 2 * 160
    assert recording.stats.foreign == len(stream(LegName.CALLEE)) + 1


async def test_wideband_over_ipv6_is_heard_and_recorded(tmp_path: Path) -> None:
    door = await MirrorDoor.open(tmp_path, MediaSettings(bind="::1"), call_id="01SIX")
    leg = LegName.CALLER
    frames: list[AudioFrame] = []
    endpoint = await door.add_stream(leg)
    door.tap(leg, frames.append)
    coded = coded_packets([bytes(160)] * 25, ptime_ms=20, payload_type=9)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.bind(("::1", 0))
        host, port = sender.getsockname()[:2]
        door.agree(leg, agreed((host, port), NOBODY, payload_types={9: ("G722", 8000)}))
        for packet in coded:
            sender.sendto(pack_rtp(packet), way(endpoint))
        await until(lambda: accepted(door, leg) == len(coded))
    (recording,) = write_recordings(await door.close(), tmp_path)
    assert recording.samples == 25 * 160
    assert recording.rate_hz == 8000
    assert b"".join(frame.pcm for frame in frames) == recording.path.read_bytes()[44:]
