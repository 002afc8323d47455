"""Two decoders that share no line, one written from the docs alone, agree on every sample; and
the one that is handed out finds what does not fit."""

import ast
import shutil
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ivr.errors import MediaError
from ivr.evidence import sound_check
from ivr.evidence.sound_check import check
from ivr.facts.audio import WireLog
from ivr.facts.call import LegName
from ivr.media import g711
from ivr.media.pcapng import section_header
from ivr.media.recordings import write_recordings
from ivr.media.rtp import HeaderExtension, RtpPacket, pack_rtp
from tests.fakes import odd_senders
from tests.fakes.offline_log import BEGIN_NS, OfflineLog
from tests.fakes.rtp_sender import (
    delayed,
    doubled,
    jittery,
    lossy,
    on_time,
    packets,
    skewed,
    swapped,
    tone,
)

SOURCE = Path(sound_check.__file__)
ONE_SIDE = Path(__file__).parents[2] / "assets" / "wire" / "one-side"
SECOND = 1_000_000_000


def recorded(case: Path) -> Path:
    """The case with its recordings, as the house makes them."""
    wire = case / "original" / "wire.pcapng"
    write_recordings(WireLog(wire, wire, "0" * 64, 0, "0" * 64, None), case / "derived")
    return case


def words(case: Path) -> dict[str, str]:
    return {said.split()[0]: word for word, said in check(case)}


def law(payload_type: int, payload: bytes, sequence: int, timestamp: int, ssrc: int = 7) -> bytes:
    return pack_rtp(RtpPacket(payload_type, sequence % 65536, timestamp % 2**32, ssrc, payload))


def through(shots, *, stranger: bool = True) -> OfflineLog:
    log = OfflineLog()
    log.packet("caller", BEGIN_NS - 5_000_000, law(8, b"\x55" * 160, 1, 1, ssrc=99))  # pending
    log.agree(payloads=odd_senders.PAYLOADS)
    log.play("caller", shots)
    log.play("agent", on_time(packets(tone(1000.0, 0.7), ssrc=0xA6E27)), begin_s=0.1234567)
    if stranger:
        log.play("foreign", on_time(packets(tone(2000.0, 0.1), ssrc=0x66)))
    log.close(BEGIN_NS + 5 * SECOND)
    return log


SENT = {
    "clean": odd_senders.short,
    "mu-law in packets of 10 ms": lambda: odd_senders.short(10, "PCMU"),
    "lost": lambda: lossy(odd_senders.short(), 0.1, seed=3),
    "in another order": lambda: swapped(odd_senders.short(), 7),
    "doubled": lambda: doubled(odd_senders.short(), 5),
    "300 ms late": lambda: delayed(odd_senders.short(), 9, 0.3),
    "jitter": lambda: jittery(odd_senders.short(), 0.2, seed=4),
    "a sender's clock 1 % wrong": lambda: skewed(odd_senders.short(), 10_000.0),
    "everything": lambda: jittery(
        lossy(doubled(delayed(odd_senders.short(), 11, 0.05), 13), 0.05, seed=5), 0.03, seed=6
    ),
    "comfort noise": lambda: odd_senders.comfort_noise(0.2),
    "pauses": odd_senders.without_any_packet_in_silence,
    "keys": odd_senders.with_keys,
    "another source": lambda: on_time(packets(tone(600.0, 0.5)))
    + on_time(packets(tone(700.0, 0.5), ssrc=5, sequence=65_530, timestamp=2**32 - 900), 0.61),
    "the same source with other numbers": lambda: on_time(packets(tone(600.0, 0.5)))
    + on_time(packets(tone(700.0, 0.5), sequence=30_000, timestamp=5_000_000), 0.61),
    "A-law, then mu-law": lambda: on_time(packets(tone(600.0, 0.5)))
    + on_time(
        packets(tone(700.0, 0.5), encoding="PCMU", payload_type=0, sequence=65_525,
                timestamp=0xFFFF_F000 + 4000), 0.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENT)
def test_both_decoders_make_the_same_recordings(tmp_path, name):
    through(SENT[name]()).write(tmp_path)
    recorded(tmp_path)
    assert words(tmp_path) == {"agent.wav": "ok", "call.wav": "ok", "caller.wav": "ok"}
    with wave.open(str(tmp_path / "derived" / "caller.wav")) as sound:
        heard = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
    assert np.abs(heard.astype(int)).max() > 4000  # there was something to agree on


def test_a_bridge_of_two_sides_with_four_legs(tmp_path):
    log = OfflineLog((LegName.CALLER, LegName.AGENT), (LegName.CALLEE, LegName.AGENT_TO_CALLEE))
    log.agree("caller")
    log.agree("callee")
    log.play("caller", on_time(packets(tone(440.0, 1.0), ssrc=1)))
    log.play("agent", on_time(packets(tone(1000.0, 3.0), ssrc=2)), 0.04)
    log.play("callee", on_time(packets(tone(650.0, 1.0, 30_000), ssrc=3)), 0.7)
    log.play("agent_to_callee", on_time(packets(tone(1500.0, 0.5), ssrc=4)), 0.2)
    log.fact("side_closed", leg="callee", at_ns=str(BEGIN_NS + 4 * SECOND))
    log.close(BEGIN_NS + 6 * SECOND)
    log.write(tmp_path)
    assert set(words(recorded(tmp_path)).values()) == {"ok"}
    assert len(check(tmp_path)) == 5


def test_three_parties_of_a_mirrored_call_summed_and_clipped(tmp_path):
    log = OfflineLog((LegName.CALLER, None), (LegName.CALLEE, None), (LegName.PARTY_3, None))
    for n, name in enumerate(("caller", "callee", "party_3")):
        log.agree(name)
        log.play(name, on_time(packets(tone(440.0, 1.0, 32_000), ssrc=n + 1)), 0.3 * n)
    log.close(BEGIN_NS + 3 * SECOND)
    log.write(tmp_path)
    assert set(words(recorded(tmp_path)).values()) == {"ok"}


def test_a_log_of_before_sides_had_names(tmp_path):
    (tmp_path / "derived").mkdir()
    shutil.copytree(ONE_SIDE, tmp_path / "original")
    assert set(words(recorded(tmp_path)).values()) == {"ok"}


def test_a_packet_with_all_that_rtp_allows(tmp_path):
    log = OfflineLog()
    log.agree()
    for n in range(10):
        extension = HeaderExtension(0xBEDE, bytes(4 * n))
        packet = RtpPacket(8, n, 160 * n, 7, bytes([n] * 160), n == 0, (1, 2)[: n % 3], extension)
        log.packet("caller", BEGIN_NS + n * 20_000_000, pack_rtp(replace(packet, padding=n)))
    for name in ("too_short", "csrc_truncated", "extension_truncated", "padding_invalid"):
        for file in (Path(__file__).parents[2] / "assets" / "rtp").glob(f"{name}*.bin"):
            log.packet("caller", BEGIN_NS + SECOND, file.read_bytes())
    log.packet("caller", BEGIN_NS + SECOND, b"\x80\xc8" + bytes(26))  # RTCP
    log.write(tmp_path)
    assert set(words(recorded(tmp_path)).values()) == {"ok"}


def test_blocks_of_other_programs_are_passed_over(tmp_path):
    log = through(odd_senders.short())
    foreign = (0x0BAD).to_bytes(4, "little") + (16).to_bytes(4, "little") + b"free"
    names = (4).to_bytes(4, "little") + (12).to_bytes(4, "little")  # name resolution, empty
    for block in (foreign + (16).to_bytes(4, "little"), names + (12).to_bytes(4, "little")):
        log.blocks.insert(5, block)
    log.blocks.append(section_header("cut")[:-3])  # a torn tail
    log.write(tmp_path)
    assert set(words(recorded(tmp_path)).values()) == {"ok"}


def test_a_log_that_was_cut_off_before_its_first_block_has_no_sound(tmp_path):
    wire = tmp_path / "original" / "wire.pcapng"
    wire.parent.mkdir()
    (tmp_path / "derived").mkdir()
    wire.write_bytes(b"")
    assert words(recorded(tmp_path)) == {"call.wav": "ok"}


@pytest.mark.parametrize("name", ["PCMA", "PCMU"])
def test_every_code_of_both_laws(name):
    assert sound_check.LAWS[name] == g711.decode(name, bytes(range(256))).tolist()


def step(choices: tuple[int, ...], low: int, high: int) -> st.SearchStrategy[int]:
    return st.sampled_from(choices) | st.integers(low, high)


ODD_PACKET = st.tuples(
    st.sampled_from(["caller"] * 6 + ["agent", "callee"]),
    st.sampled_from([1, 1, 1, 2]),  # SSRC
    step((1, 1, 1, 0, 2, -1, 3000, 3001, -3000, 30_000), -5, 5),  # sequence number
    step((160,) * 30 + (80, 0, -160, 80_000, 80_001, 2**31, 8_000), -500, 500),  # time stamp
    st.sampled_from([8, 8, 8, 0, 13, 96, 101, 77]),  # payload type
    st.sampled_from([160, 160, 0, 1, 80, 240]),  # bytes
    step((20_000_000,) * 90 + (0, SECOND, SECOND + 1, 11 * SECOND), -30_000_000, 60_000_000),
)

KEYS_ALONE = (("caller", 8), ("agent", 101))  # a leg that never sends sound


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(stream=[(name, 1, 1, 160, kind, 160, 20_000_000) for name, kind in KEYS_ALONE], rest=0)
@given(stream=st.lists(ODD_PACKET, min_size=1, max_size=30), rest=st.integers(0, 3 * SECOND))
def test_they_agree_on_whatever_arrives(tmp_path_factory, stream, rest):
    case = tmp_path_factory.mktemp("odd")
    log = OfflineLog((LegName.CALLER, LegName.AGENT), (LegName.CALLEE, None))
    log.agree("caller", {96: ("CN", 16_000), 101: ("telephone-event", 8000)})
    log.agree("callee", {96: ("CN", 16_000)})
    at, numbers = BEGIN_NS, {}
    for name, ssrc, sequence, timestamp, kind, size, later in stream:
        at += later
        before = numbers.get((name, ssrc), (65_530, 2**32 - 500))
        numbers[name, ssrc] = now = (before[0] + sequence, before[1] + timestamp)
        log.packet(name, at, law(kind, bytes(n % 251 for n in range(size)), *now, ssrc))
    log.close(at + rest)
    log.write(case)
    try:
        recorded(case)
    except MediaError:
        (case / "derived" / "caller.wav").write_bytes(b"")  # impossibly long for both of them
        with pytest.raises(ValueError, match="would stand at"):
            check(case)
        return
    found = check(case)
    assert {word for word, _ in found} == {"ok"}, found


def run(case: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(SOURCE), str(case)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_it_imports_the_standard_library_only():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {getattr(n, "module", None) or n.names[0].name for n in imported}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)
    assert len(SOURCE.read_text(encoding="utf-8").splitlines()) < 300


def test_a_sample_that_was_changed_is_found_with_its_second(tmp_path):
    through(odd_senders.short()).write(tmp_path)
    wav = recorded(tmp_path) / "derived" / "caller.wav"
    content = bytearray(wav.read_bytes())
    content[44 + 2 * 8000] ^= 4
    wav.write_bytes(content)
    done = run(tmp_path)
    assert done.returncode == 1
    assert "FAIL: caller.wav 1 samples differ, the first at second 1.0\n" in done.stdout
    assert done.stdout.endswith("RESULT: 2 as the packets, 1 NOT so, 0 not remade here.\n")
    wav.write_bytes(wav.read_bytes()[:-200])
    assert words(tmp_path)["caller.wav"] == "FAIL"
    wav.write_bytes(b"RIFF")
    assert any(said.startswith("caller.wav is no such WAV") for _, said in check(tmp_path))


def test_a_packet_that_was_changed_is_found(tmp_path):
    log = through(odd_senders.short())
    recorded(log.write(tmp_path).parent.parent)
    wire = bytearray((tmp_path / "original/wire.pcapng").read_bytes())
    wire[len(wire) // 2] ^= 8
    (tmp_path / "original/wire.pcapng").write_bytes(wire)
    assert run(tmp_path).returncode == 1


def test_a_leg_with_another_codec_is_named_and_left_to_ivr_verify(tmp_path):
    through(odd_senders.coded("gsm")).write(tmp_path)
    done = run(recorded(tmp_path))
    assert done.returncode == 0
    assert "not remade here: caller.wav has GSM: `ivr verify` does\n" in done.stdout
    assert "not remade here: call.wav has GSM: `ivr verify` does\n" in done.stdout
    assert "ok: agent.wav" in done.stdout
    assert done.stdout.endswith("RESULT: 1 as the packets, 0 NOT so, 2 not remade here.\n")


def test_an_upload_is_no_silent_pass(tmp_path):
    (tmp_path / "original").mkdir()
    done = run(tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("not remade here: there are no packets")


@pytest.mark.parametrize(
    "content",
    [b"", b"no log", section_header("x"), section_header("x") + b"\x06" + bytes(15)],
    ids=["empty", "text", "no interface", "torn"],
)
def test_what_is_no_wire_log_is_an_answer_and_no_crash(tmp_path, content):
    OfflineLog().write(tmp_path).write_bytes(content)
    (tmp_path / "derived" / "caller.wav").write_bytes(b"RIFF")
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAIL" in done.stdout


def test_called_wrongly_it_says_how(tmp_path):
    assert run(tmp_path / "none").returncode == 2
    assert "usage" in run(tmp_path / "none").stderr
