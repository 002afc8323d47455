"""The wire log: another program reads it, a chain covers it, a crash or full disk spares it."""

import asyncio
import hashlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import MediaError
from ivr.facts.call import LegName
from ivr.media.chain import verify_chain
from ivr.media.datagrams import Flow
from ivr.media.knock import BURST
from ivr.media.pcapng import enhanced_packet
from ivr.media.recordings import read_samples, write_recordings
from ivr.media.repair import repair, wire_log_at
from ivr.media.timeline import LONGEST_S, read_timelines
from ivr.media.wire_format import CHAIN_NAME, TAIL_NAME, WIRE_NAME, opening
from ivr.media.wire_writer import BYTES_PER_BLOCK, WireLogWriter
from ivr.settings import MediaSettings
from tests.fakes.rtp_calls import PlayedCall, play_call
from tests.fakes.rtp_sender import HERE, Shot, on_time, packets, tone, udp_socket

RECEIVER_REPORT = bytes.fromhex("80c90001 12345678")
STRANGERS = 60  # in one second; the log takes the first twenty of each


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> PlayedCall:
    caller = on_time(packets(tone(440, 1.4)))
    caller.insert(10, Shot(caller[10].at_s, RECEIVER_REPORT))  # RTCP on the RTP port (RFC 5761)
    agent = on_time(packets(tone(1000, 1.0), ssrc=2))
    flood = [
        Shot(0.3, on_time(packets(tone(2000, 0.02), ssrc=n))[0].data) for n in range(STRANGERS)
    ]
    folder = tmp_path_factory.mktemp("wire")
    quick = MediaSettings(bind=HERE, block_s=0.25)
    return asyncio.run(play_call(folder, caller, agent, flood, quick))


@pytest.fixture
def copy(call: PlayedCall, tmp_path: Path) -> Path:
    """A log of one's own to break."""
    for name in (WIRE_NAME, CHAIN_NAME):
        (tmp_path / name).write_bytes((call.folder / name).read_bytes())
    return tmp_path / WIRE_NAME


def tshark(path: Path, *options: str) -> list[str]:
    done = subprocess.run(
        ["tshark", "-n", "-r", path, *options], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_tshark_counts_the_packets_of_each_interface(call: PlayedCall) -> None:
    names = Counter(
        tshark(call.wire.path, "-Y", "udp", "-T", "fields", "-e", "frame.interface_name")
    )
    assert names["caller"] == 70 + 1
    assert names["agent"] == 50
    # all in one second of arrival, or, on a slow machine, in two
    assert names["foreign"] in (20, 40)


def test_tshark_sees_real_addresses_valid_rtp_and_nanoseconds(call: PlayedCall) -> None:
    fields = ["-T", "fields", "-e", "udp.dstport", "-e", "rtp.seq", "-e", "frame.time_epoch"]
    caller = 'frame.interface_name == "caller" && rtp'
    lines = tshark(
        call.wire.path, "-o", "rtp.heuristic_rtp:TRUE", "--enable-heuristic", "rtp_udp",
        "-Y", caller, *fields,
    )  # fmt: skip
    rows = [line.split("\t") for line in lines]
    assert [int(row[1]) for row in rows] == [(65_500 + n) % 0x10000 for n in range(70)]
    assert len({row[0] for row in rows}) == 1
    assert all(len(row[2].partition(".")[2]) == 9 for row in rows)
    assert any(not row[2].endswith("000") for row in rows)


def test_tshark_finds_no_bad_checksum_and_nothing_malformed(call: PlayedCall) -> None:
    odd = "ip.checksum.status == 0 || _ws.malformed"
    assert tshark(call.wire.path, "-o", "ip.check_checksum:TRUE", "-Y", odd) == []


def test_wireshark_shows_what_was_agreed_as_text(call: PlayedCall) -> None:
    text = "\n".join(tshark(call.wire.path, "-V", "-Y", "systemd_journal"))
    assert "media agreed" in text
    assert "source latched" in text


def test_more_strangers_than_the_cap_are_counted(call: PlayedCall) -> None:
    (caller,) = (r for leg, r in call.recordings.items() if leg == "caller")
    assert caller.stats.foreign == STRANGERS
    assert caller.stats.accepted == 70


def test_the_chain_covers_every_byte(call: PlayedCall) -> None:
    check = verify_chain(call.wire.path, call.wire.chain_path)
    assert check.is_intact
    assert check.blocks == call.wire.blocks >= 4
    assert check.head == call.wire.chain_head
    assert call.wire.sha256 == hashlib.sha256(call.wire.path.read_bytes()).hexdigest()
    assert wire_log_at(call.wire.path) == call.wire


def test_the_chain_can_be_checked_with_standard_tools_alone(call: PlayedCall) -> None:
    script = Path(__file__).parents[3] / "docs" / "rtp-door.md"
    commands = script.read_text().split("```sh\n")[1].split("```")[0]
    done = subprocess.run(
        ["sh", "-eu", "-c", commands], cwd=call.folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{call.wire.blocks} blocks hold"


def test_the_documented_check_finds_a_flipped_byte(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    script = Path(__file__).parents[3] / "docs" / "rtp-door.md"
    commands = script.read_text().split("```sh\n")[1].split("```")[0]
    done = subprocess.run(["sh", "-eu", "-c", commands], cwd=copy.parent, capture_output=True)
    assert done.returncode != 0


def test_any_flipped_byte_of_the_log_breaks_the_chain(copy: Path) -> None:
    original = copy.read_bytes()
    for at in range(0, len(original), len(original) // 97):
        data = bytearray(original)
        data[at] ^= 0x01
        copy.write_bytes(data)
        assert verify_chain(copy, copy.with_name(CHAIN_NAME)).problems


def test_any_flipped_byte_of_the_chain_breaks_it(copy: Path) -> None:
    chain_path = copy.with_name(CHAIN_NAME)
    original = chain_path.read_bytes()
    for at in range(0, len(original), 7):
        data = bytearray(original)
        data[at] ^= 0x01
        chain_path.write_bytes(data)
        check = verify_chain(copy, chain_path)
        assert check.problems or not check.is_intact


@pytest.mark.parametrize("crime", ["drop", "swap", "repeat"])
def test_a_dropped_swapped_or_repeated_block_breaks_the_chain(copy: Path, crime: str) -> None:
    chain_path = copy.with_name(CHAIN_NAME)
    lines = chain_path.read_bytes().splitlines(keepends=True)
    changed = {
        "drop": [lines[0], *lines[2:]],
        "swap": [lines[1], lines[0], *lines[2:]],
        "repeat": [lines[0], *lines],
    }[crime]
    chain_path.write_bytes(b"".join(changed))
    assert verify_chain(copy, chain_path).problems


def test_a_shortened_log_is_found(copy: Path) -> None:
    os.truncate(copy, copy.stat().st_size - 40)
    assert verify_chain(copy, copy.with_name(CHAIN_NAME)).problems
    with pytest.raises(MediaError, match="does not hold"):
        repair(copy)


def test_bytes_behind_the_last_block_are_not_covered(copy: Path) -> None:
    with copy.open("ab") as stream:
        stream.write(enhanced_packet(0, 1, Flow(("192.0.2.1", 1), ("192.0.2.2", 2)).wrap(b"x")))
    check = verify_chain(copy, copy.with_name(CHAIN_NAME))
    assert not check.problems
    assert not check.is_intact


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_log_is_read_or_refused_and_never_breaks_the_reader(
    copy: Path, data: st.DataObject
) -> None:
    whole = copy.read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = copy.with_name("damaged.pcapng")
    path.write_bytes(damaged[: data.draw(st.integers(0, len(whole)))])
    with suppress(MediaError):
        for line in read_timelines(path).legs:
            assert len(line.samples) <= LONGEST_S * 8000


# --- a door that is killed -----------------------------------------------------------------

DOOR_PROGRAM = """
import asyncio, sys
from pathlib import Path
from ivr.facts.call import MediaAgreed
from ivr.media.door import CallDoor
from ivr.settings import MediaSettings

async def main():
    here, folder = (sys.argv[1], int(sys.argv[2])), Path(sys.argv[3])
    door = await CallDoor.open(folder, MediaSettings(), call_id="01KILL")
    door.agree(MediaAgreed(here, here[0], ("127.0.0.1", 9), {8: ("PCMA", 8000)}, "sendrecv"))
    print(door.endpoint.port, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def read_line(process: subprocess.Popen[str], within_s: float) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], within_s)
    assert ready, "the door did not open in time"
    return process.stdout.readline()


def test_kill_9_costs_no_more_than_a_second_and_the_rest_is_chained(tmp_path: Path) -> None:
    caller = udp_socket()
    host, port = caller.getsockname()
    command = [sys.executable, "-c", DOOR_PROGRAM, host, str(port), str(tmp_path)]
    stream = on_time(packets(tone(440, 2.5)))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        to = ("127.0.0.1", int(read_line(process, 20.0)))
        start = time.monotonic()
        for shot in stream:
            time.sleep(max(start + shot.at_s - time.monotonic(), 0.0))
            caller.sendto(shot.data, to)
        process.send_signal(signal.SIGKILL)
        process.wait()
    caller.close()
    path = tmp_path / WIRE_NAME
    before = path.read_bytes()
    chained = verify_chain(path, tmp_path / CHAIN_NAME)
    assert not chained.problems

    done = repair(path)

    assert verify_chain(path, tmp_path / CHAIN_NAME).is_intact
    assert before.startswith(path.read_bytes())
    assert chained.blocks >= 2  # the seconds before the last were chained while the call ran
    last = json.loads((tmp_path / CHAIN_NAME).read_bytes().splitlines()[-1])
    assert bool(done.recovered_bytes) is last.get("recovered", False)
    (recording,) = write_recordings(done.wire_log, tmp_path)
    assert not recording.is_complete
    assert 0 <= len(stream) - recording.stats.accepted <= 50
    assert len(read_samples(recording)) == 160 * recording.stats.accepted


# --- repair ----------------------------------------------------------------------------------


def unchained(copy: Path, lines: int) -> int:
    """Forget the last chain lines, as if the process had died before them."""
    chain_path = copy.with_name(CHAIN_NAME)
    kept = chain_path.read_bytes().splitlines(keepends=True)[:-lines]
    chain_path.write_bytes(b"".join(kept))
    return json.loads(kept[-1])["offset"] + json.loads(kept[-1])["length"]


def test_repair_chains_the_complete_tail_and_sets_the_torn_packet_aside(copy: Path) -> None:
    start = unchained(copy, 2)
    whole = copy.read_bytes()
    torn = enhanced_packet(0, 1, b"half of a packet" * 9)[:50]
    copy.write_bytes(whole + torn)

    done = repair(copy)

    assert (done.recovered_bytes, done.torn_bytes) == (len(whole) - start, 50)
    assert copy.read_bytes() == whole
    assert copy.with_name(TAIL_NAME).read_bytes() == torn
    line = json.loads(copy.with_name(CHAIN_NAME).read_bytes().splitlines()[-1])
    assert line["recovered"] is True
    assert line["packets"] == done.recovered_packets > 0
    assert verify_chain(copy, copy.with_name(CHAIN_NAME)).is_intact


def test_repair_twice_changes_nothing_more(copy: Path) -> None:
    unchained(copy, 1)
    with copy.open("ab") as stream:
        stream.write(b"\x06\0\0\0")
    repair(copy)
    after = {path.name: path.read_bytes() for path in copy.parent.iterdir()}
    again = repair(copy)
    assert (again.recovered_packets, again.recovered_bytes, again.torn_bytes) == (0, 0, 0)
    assert {path.name: path.read_bytes() for path in copy.parent.iterdir()} == after


def test_a_repair_that_was_itself_cut_off_is_finished(copy: Path) -> None:
    whole = copy.read_bytes()
    torn = b"\x06\0\0\0\x40\0\0\0"
    copy.write_bytes(whole + torn)
    copy.with_name(TAIL_NAME).write_bytes(torn[:3])  # killed while it copied
    assert repair(copy).torn_bytes == len(torn)
    assert copy.with_name(TAIL_NAME).read_bytes() == torn
    assert copy.read_bytes() == whole


def test_a_tail_that_holds_something_else_is_not_overwritten(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes() + b"\x06\0\0\0")
    copy.with_name(TAIL_NAME).write_bytes(b"older")
    with pytest.raises(MediaError, match="holds something else"):
        repair(copy)
    assert copy.with_name(TAIL_NAME).read_bytes() == b"older"


def test_a_torn_chain_line_is_set_aside_and_its_block_chained_anew(copy: Path) -> None:
    chain_path = copy.with_name(CHAIN_NAME)
    text = chain_path.read_bytes()
    chain_path.write_bytes(text[:-30])
    done = repair(copy)
    assert done.recovered_bytes > 0
    assert copy.with_name("wire.chain.tail.bin").read_bytes() in text
    assert verify_chain(copy, chain_path).is_intact


@pytest.mark.parametrize("content", [b"", b"\x0a\x0d\x0d\x0a\x50"])
def test_a_log_that_died_at_birth_is_repaired(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / WIRE_NAME
    path.write_bytes(content)
    done = repair(path)
    assert (done.wire_log.blocks, done.torn_bytes) == (0, len(content))
    assert path.read_bytes() == b""


def test_zeros_that_a_power_cut_left_are_set_aside(copy: Path) -> None:
    whole = copy.read_bytes()
    copy.write_bytes(whole + bytes(4096))
    assert repair(copy).torn_bytes == 4096
    assert copy.read_bytes() == whole


# --- a disk that fills --------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to write beyond ``size`` (EFBIG): a full disk for this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wait_until(condition: object, within_s: float = 10.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


BLOCK = enhanced_packet(0, 1, Flow(("192.0.2.1", 4000), ("192.0.2.2", 4000)).wrap(bytes(960)))


HEAD = opening(LegName.CALLER)


def writer_in(folder: Path) -> WireLogWriter:
    writer = WireLogWriter(folder / WIRE_NAME, folder / CHAIN_NAME, block_s=0.2, queue_blocks=4)
    writer.append(HEAD)
    return writer


def append(writer: WireLogWriter, count: int) -> int:
    return sum(writer.append(BLOCK, packet_at_ns=1) for _ in range(count))


def test_a_disk_that_fills_and_is_freed_loses_only_what_memory_could_not_hold(
    tmp_path: Path,
) -> None:
    writer = writer_in(tmp_path)
    path, chain_path = tmp_path / WIRE_NAME, tmp_path / CHAIN_NAME
    kept = append(writer, 50)
    wait_until(lambda: chain_path.stat().st_size > 0)
    with files_no_larger_than(80_000):
        kept += append(writer, 60)  # more than fits on the disk
        wait_until(lambda: writer.trouble is not None)
        assert path.stat().st_size == 80_000
        kept += append(writer, 1000)  # more than fits into memory
        trouble = writer.trouble
        assert trouble is not None
        assert trouble.unlogged == 1110 - kept > 0
        assert not trouble.is_over
        assert not verify_chain(path, chain_path).problems  # what was chained stays valid
    wait_until(lambda: writer.trouble is not None and writer.trouble.is_over)
    kept += append(writer, 1)
    wire = writer.close()
    check = verify_chain(path, chain_path)
    assert check.is_intact
    assert check.packets == kept
    assert wire == wire_log_at(path)
    assert 4 * BYTES_PER_BLOCK >= (kept - 110) * len(BLOCK) > 3 * BYTES_PER_BLOCK
    assert b'"fact":"unlogged","packets":%d' % trouble.unlogged in path.read_bytes()


def test_a_disk_that_stays_full_costs_the_end_and_leaves_a_whole_chain(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    path, chain_path = tmp_path / WIRE_NAME, tmp_path / CHAIN_NAME
    append(writer, 30)
    wait_until(lambda: chain_path.stat().st_size > 0)
    with files_no_larger_than(50_000):
        append(writer, 60)
        wire = writer.close()
    fits = (50_000 - len(HEAD)) // len(BLOCK)
    assert writer.trouble is not None
    assert not writer.trouble.is_over
    assert writer.trouble.unlogged == 90 - fits
    check = verify_chain(path, chain_path)
    assert check.is_intact
    assert check.packets == fits
    assert (tmp_path / TAIL_NAME).stat().st_size == (50_000 - len(HEAD)) % len(BLOCK)
    assert wire.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (wire.blocks, wire.chain_head) == (check.blocks, check.head)


async def test_a_call_on_a_full_disk_goes_on_and_says_what_it_lacks(tmp_path: Path) -> None:
    shots = on_time(packets(tone(440, 2.0)))
    call = await play_call(tmp_path / "call", shots, during=files_no_larger_than(12_000))
    (caller,) = (r for leg, r in call.recordings.items() if leg == "caller")
    assert not caller.is_complete
    assert 0 < caller.stats.accepted < 60
    assert call.agent_heard[BURST:] == [shot.data for shot in shots]
    assert len(call.incomplete_reasons) == 1
    assert f"{len(shots) - caller.stats.accepted} packets are missing" in call.incomplete_reasons[0]
    assert verify_chain(call.wire.path, call.wire.chain_path).is_intact


def test_a_log_is_never_overwritten(copy: Path) -> None:
    before = copy.read_bytes()
    with pytest.raises(MediaError, match="cannot be created"):
        writer_in(copy.parent)
    assert copy.read_bytes() == before


def test_closing_twice_gives_the_same_log(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    append(writer, 3)
    assert writer.close() == writer.close()
