"""Live recognition through real processes: what is not heard is told, and nothing ever waits."""

import asyncio
import os
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ivr.errors import RecognitionError
from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance
from ivr.recognition.client import Recognition
from ivr.recognition.ear import LegEar
from ivr.settings import PROJECT_ROOT, RecognitionSettings
from tests.asr.recognition.conftest import children_of, frames, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Clip = Callable[[str], np.ndarray]
RATE_HZ = 8000


class Reader:
    """Collects what an ear puts out."""

    def __init__(self, ear: LegEar) -> None:
        self.heard: list[Utterance] = []
        self._task = asyncio.create_task(self._read(ear))

    async def _read(self, ear: LegEar) -> None:
        async for utterance in ear.utterances():
            self.heard.append(utterance)

    @property
    def finals(self) -> list[Utterance]:
        return [utterance for utterance in self.heard if utterance.is_final]

    async def all(self) -> list[Utterance]:
        await asyncio.wait_for(self._task, 20)
        return self.finals


def workers(recognition: Recognition) -> list[int]:
    return children_of(recognition.host_pid) if recognition.host_pid else []


async def feed(ear: LegEar, given: list[AudioFrame]) -> None:
    """As fast as the recogniser takes it, so that nothing is dropped."""
    for frame in given:
        if ear.lag_s > 3.0:
            await until(lambda: ear.lag_s < 3.0, "room in the queue")
        ear.feed(frame)


async def test_live_and_recorded_give_the_same_finals(recognition: Recognition, clip: Clip) -> None:
    samples = clip("two_phrases")
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    await feed(ear, frames(samples))
    assert await ear.finish() == ()
    finals = await reader.all()
    assert [one.text for one in finals] == ["tôi là công an", "yêu cầu anh chuyển tiền"]
    assert {one.model_sha256 for one in finals} == {recognition.model_info.sha256}
    assert {one.leg for one in finals} == {LegName.CALLER}
    progress: list[float] = []
    again = await recognition.transcribe(samples, LegName.CALLER, on_progress=progress.append)
    assert list(again) == finals
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(len(samples) / RATE_HZ)


async def test_partials_come_while_the_phrase_is_spoken(
    recognition: Recognition, clip: Clip
) -> None:
    samples = clip("demand")
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    spoken = round(1.6 * RATE_HZ)
    await feed(ear, frames(samples[:spoken]))
    await until(lambda: any("cầu" in one.text for one in reader.heard), "a partial")
    assert not reader.finals
    await feed(ear, frames(samples[spoken:], offset=spoken))
    await ear.finish()
    (final,) = await reader.all()
    assert {one.index for one in reader.heard} == {final.index}


async def test_a_sender_that_pauses_is_not_waited_for(recognition: Recognition, clip: Clip) -> None:
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    await feed(ear, frames(clip("demand")[: round(1.75 * RATE_HZ)]))
    await until(lambda: bool(reader.finals), "the last words before the pause")
    assert reader.finals[0].text == "yêu cầu anh chuyển tiền"
    assert await ear.finish() == ()


async def test_two_legs_in_one_process_are_not_mixed(recognition: Recognition, clip: Clip) -> None:
    said = {LegName.CALLER: clip("silence_then_speech"), LegName.AGENT: clip("demand")}
    ears = {leg: recognition.open(leg) for leg in said}
    readers = {leg: Reader(ear) for leg, ear in ears.items()}
    for at in range(0, max(map(len, said.values())), 160):
        for leg, samples in said.items():
            if at < len(samples):
                ears[leg].feed(AudioFrame(leg, at, RATE_HZ, samples[at : at + 160].tobytes()))
        await asyncio.sleep(0)
    for ear in ears.values():
        assert await ear.finish() == ()
    for leg, samples in said.items():
        assert await readers[leg].all() == list(await recognition.transcribe(samples, leg))


async def test_a_killed_process_costs_one_told_span_and_the_ear_goes_on(
    recognition: Recognition, clip: Clip
) -> None:
    first, second = clip("two_phrases"), clip("demand")
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    spoken = round(4.3 * RATE_HZ)  # in mid-utterance of the second phrase
    await feed(ear, frames(first[:spoken]))
    await until(lambda: any(one.index == 1 for one in reader.heard), "a partial of the second")
    (victim,) = workers(recognition)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: victim not in workers(recognition), "the end of the process")
    later = 6 * RATE_HZ
    await feed(ear, frames(second, offset=later))
    (span,) = await ear.finish()
    finals = await reader.all()
    assert [one.text for one in finals] == ["tôi là công an", "", "yêu cầu anh chuyển tiền"]
    assert [one.index for one in finals] == [0, 1, 2]
    assert finals[2].words[0].start_s == pytest.approx(6.5, abs=0.15)
    assert span.leg is LegName.CALLER
    assert 2.0 <= span.start_s <= 3.5
    # what was still written to the dead process's socket is lost as well, and told
    assert 4.28 <= span.end_s <= 6.2
    assert "died" in span.why
    start = round(span.start_s * RATE_HZ)
    part = first[start : round(span.end_s * RATE_HZ)]
    heard = await recognition.transcribe(part, LegName.CALLER, offset=start, first_index=7)
    assert heard[0].text.startswith("yêu cầu anh")
    assert heard[0].index == 7
    assert heard[0].words[0].start_s == pytest.approx(3.511, abs=0.15)


async def test_a_killed_host_is_started_anew(recognition: Recognition, clip: Clip) -> None:
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    await feed(ear, frames(clip("silence_then_speech")))
    await until(lambda: bool(reader.finals), "the first final")
    children, host = workers(recognition), recognition.host_pid
    assert host is not None
    os.kill(host, signal.SIGKILL)
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "its children")
    await feed(ear, frames(clip("demand"), offset=6 * RATE_HZ))
    missed = await ear.finish()
    assert [one.text for one in await reader.all()][-1] == "yêu cầu anh chuyển tiền"
    assert all(span.end_s <= 6.0 for span in missed)
    assert recognition.host_pid not in (None, host)


async def test_a_host_that_cannot_start_anew_is_tried_again(
    model_path: Path, tmp_path: Path, clip: Clip
) -> None:
    model = Path(shutil.copytree(model_path, tmp_path / "model"))
    async with Recognition(RecognitionSettings(model=model, processes=1)) as recognition:
        ear = recognition.open(LegName.CALLER)
        reader = Reader(ear)
        host = recognition.host_pid
        assert host is not None
        shutil.move(model, tmp_path / "away")
        os.kill(host, signal.SIGKILL)
        seen: set[int] = {host}

        def was_tried() -> bool:
            seen.add(recognition.host_pid or host)
            return len(seen) > 1 and recognition.host_pid is None

        await until(was_tried, "a start that fails")
        shutil.move(tmp_path / "away", model)
        await feed(ear, frames(clip("demand")))
        assert await ear.finish() == ()
        assert [one.text for one in await reader.all()] == ["yêu cầu anh chuyển tiền"]


async def test_a_hanging_process_is_replaced(
    recognition: Recognition, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP: the process lives, and does nothing. Its owner gives up after the deadline."""
    monkeypatch.setattr("ivr.recognition.ear.FINISH_S", 1.0)
    ear = recognition.open(LegName.CALLER)
    await feed(ear, frames(clip("demand")[:4000]))
    await until(lambda: ear.lag_s == 0, "the sound to be worked off")
    (stopped,) = workers(recognition)
    os.kill(stopped, signal.SIGSTOP)
    for frame in frames(clip("demand")[4000:], offset=4000):
        ear.feed(frame)
    (span,) = await ear.finish()
    assert span.why == "the recogniser did not answer"
    assert span.end_s == pytest.approx(len(clip("demand")) / RATE_HZ)
    os.kill(stopped, signal.SIGKILL)


async def test_a_full_queue_drops_tells_and_never_waits(model_path: Path, clip: Clip) -> None:
    settings = RecognitionSettings(model=model_path, processes=1, queue_s=2.0)
    async with Recognition(settings) as recognition:
        ear = recognition.open(LegName.CALLER)
        given = frames(clip("two_phrases"))
        slowest = 0.0
        for frame in given:  # the loop never gets a turn: nothing can be worked off
            start = time.perf_counter()
            ear.feed(frame)
            slowest = max(slowest, time.perf_counter() - start)
        assert recognition.lag_s() == pytest.approx(2.0, abs=0.02)
        assert slowest < 0.05
        (span,) = await ear.finish()
        assert span.start_s == pytest.approx(2.0, abs=0.02)
        assert span.end_s == pytest.approx(len(clip("two_phrases")) / RATE_HZ)
        assert "slow" in span.why


async def test_frames_of_another_rate_are_told_and_not_mixed_in(
    recognition: Recognition, clip: Clip
) -> None:
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    await feed(ear, frames(clip("demand")))
    end = len(clip("demand"))
    ear.feed(AudioFrame(LegName.CALLER, 48000 * 10, 48000, bytes(1920)))
    (span,) = await ear.finish()
    assert (span.start_s, span.end_s) == (10.0, 10.02)
    assert "48000" in span.why
    assert [one.text for one in await reader.all()] == ["yêu cầu anh chuyển tiền"]
    assert end < 48000


async def test_an_ear_that_was_never_fed_ends_at_once(recognition: Recognition) -> None:
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    assert await ear.finish() == ()
    assert await reader.all() == []
    assert recognition.lag_s() == 0.0


async def test_a_recording_gives_way_to_a_live_leg(recognition: Recognition, clip: Clip) -> None:
    long = np.tile(clip("two_phrases"), 8)
    recorded = asyncio.create_task(recognition.transcribe(long, LegName.CHANNEL_1))
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    await feed(ear, frames(clip("demand")))
    assert await ear.finish() == ()
    assert not recorded.done()
    assert [one.text for one in await reader.all()] == ["yêu cầu anh chuyển tiền"]
    assert len(await recorded) == 16


async def test_a_recording_survives_the_death_of_its_process(
    recognition: Recognition, clip: Clip
) -> None:
    long = np.tile(clip("two_phrases"), 8)
    expected = await recognition.transcribe(long, LegName.CHANNEL_1)
    done: list[float] = []
    task = asyncio.create_task(
        recognition.transcribe(long, LegName.CHANNEL_1, on_progress=done.append)
    )
    await until(lambda: bool(done) and done[-1] > 10, "a part of the recording")
    os.kill(workers(recognition)[0], signal.SIGKILL)
    heard = await task
    assert [one.text for one in heard] == [one.text for one in expected]
    assert [one.index for one in heard] == list(range(16))


async def test_stopping_leaves_no_process_and_no_waiting_ear(model_path: Path, clip: Clip) -> None:
    recognition = Recognition(RecognitionSettings(model=model_path, processes=2))
    await recognition.start()
    host, children = recognition.host_pid, workers(recognition)
    assert len(children) == 2
    ear = recognition.open(LegName.CALLER)
    reader = Reader(ear)
    await feed(ear, frames(clip("demand")[: round(1.2 * RATE_HZ)]))
    await recognition.stop()
    await reader.all()
    assert await ear.finish() != ()
    await until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in (host, *children)), "their end"
    )
    with pytest.raises(RecognitionError, match="not running"):
        recognition.open(LegName.CALLER)


async def test_starting_without_a_usable_model_says_why(tmp_path: Path) -> None:
    recognition = Recognition(RecognitionSettings(model=tmp_path))
    with pytest.raises(RecognitionError, match="not a Vosk model"):
        await recognition.start()


async def test_a_graph_of_another_network_is_refused_at_the_start(
    model_path: Path, tmp_path: Path
) -> None:
    """Each file is sound, together they make Kaldi abort: that must not be found in a call."""
    model = Path(shutil.copytree(model_path, tmp_path / "mixed"))
    mdl = model / "am/final.mdl"
    content = mdl.read_bytes()
    at = content.index(b"<Topology> ") + len(b"<Topology> ")
    (count,) = struct.unpack_from("<i", content, at + 1)
    assert 0 < count < 10000
    broken = bytearray(content)
    struct.pack_into("<i", broken, at + 1 + 4 + 4, 99_999)
    mdl.write_bytes(broken)
    recognition = Recognition(RecognitionSettings(model=model, processes=1))
    with pytest.raises(RecognitionError):
        await recognition.start()


async def test_the_host_ends_when_its_parent_is_killed(model_path: Path) -> None:
    script = (
        "import asyncio\n"
        "from pathlib import Path\n"
        "from ivr.recognition.client import Recognition\n"
        "from ivr.settings import RecognitionSettings\n"
        "async def main():\n"
        f"    async with Recognition(RecognitionSettings(model=Path({str(model_path)!r}),"
        " processes=2)) as recognition:\n"
        "        print(recognition.host_pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=PROJECT_ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    host = int(await parent.stdout.readline())
    children = children_of(host)
    assert len(children) == 2
    parent.kill()
    await parent.wait()
    await until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in (host, *children)),
        "the end of the host and its processes",
    )


async def test_a_sound_that_kills_every_process_is_an_error_in_the_end(
    recognition: Recognition, clip: Clip
) -> None:
    long = np.tile(clip("two_phrases"), 40)
    killed: set[int] = set()

    def kill(_: float) -> None:
        fresh = set(workers(recognition)) - killed
        for pid in fresh:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(RecognitionError, match="died 3 times"):
        await recognition.transcribe(long, LegName.CHANNEL_1, on_progress=kill)
    assert len(killed) == 3


async def test_unread_finals_are_bounded_and_told(
    recognition: Recognition, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.recognition.ear.FINALS", 1)
    ear = recognition.open(LegName.CALLER)
    await feed(ear, frames(clip("two_phrases")))
    missed = await ear.finish()
    assert [one.text async for one in ear.utterances()] == ["tôi là công an"]
    assert missed[0].why == "nobody read the utterances"
    assert missed[0].start_s == pytest.approx(3.511, abs=0.15)
