"""viet-asr behind the same lane, host and ear as Vosk.

The committed clips are synthetic, which this engine does not understand: what it says of them is
not looked at, only that live use is sound. How well it hears people: `ivr bench people`.
"""

from collections.abc import Callable

import numpy as np
import pytest

from ivr.errors import RecognitionError
from ivr.facts.call import LegName
from ivr.recognition import engines, viet_asr_engine
from ivr.recognition.client import Recognition
from ivr.recognition.engine import Engine
from ivr.recognition.lane import Heard, Lane, LaneSettings
from ivr.recognition.model import digest
from ivr.recognition.viet_asr_engine import CHUNK_S, PIECES, RATE_HZ, VietAsrEngine
from ivr.settings import RecognitionSettings
from tests.asr.recognition.conftest import frames, until

Clip = Callable[[str], np.ndarray]


@pytest.fixture(scope="module")
def viet() -> Engine:
    return VietAsrEngine()


@pytest.fixture(scope="module")
def talk(clip: Clip) -> np.ndarray:
    return np.concatenate([clip("two_phrases"), clip("demand")])


def hear(engine: Engine, settings: LaneSettings, samples: np.ndarray, size: int) -> list[Heard]:
    lane = Lane(engine, RATE_HZ, settings)
    out: list[Heard] = []
    for at in range(0, len(samples), size):
        out += lane.hear(at, samples[at : at + size].tobytes())
    return out + list(lane.finish())


def test_it_declares_what_it_lacks_and_names_its_weights(viet: Engine) -> None:
    info = engines.describe("viet-asr", viet_asr_engine.folder())
    assert (viet.info.rate_hz, viet.info.is_streaming) == (8000, True)
    assert not viet.info.has_word_times
    assert not viet.info.has_confidences
    assert info.name == f"viet-asr-{viet.info.version}"
    assert info.sha256 == digest(viet_asr_engine.folder())
    assert not info.is_demonstration
    assert engines.words_of(info) is None


def test_the_result_does_not_depend_on_the_frame_size(
    viet: Engine, lane_settings: LaneSettings, talk: np.ndarray
) -> None:
    expected = hear(viet, lane_settings, talk, 160)
    assert hear(viet, lane_settings, talk, 7001) == expected
    assert any(not one.is_final for one in expected)
    assert sum(one.is_final for one in expected) >= 2


def test_estimated_times_run_in_order_inside_the_utterance(
    viet: Engine, lane_settings: LaneSettings, talk: np.ndarray
) -> None:
    for one in hear(viet, lane_settings, talk, 160):
        edges = [edge for word in one.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(talk) / RATE_HZ for edge in edges)
        if one.is_final:
            assert all(word.end_s - word.start_s <= CHUNK_S + 0.001 for word in one.words)


def test_an_utterance_knows_nothing_of_the_one_before(viet: Engine, clip: Clip) -> None:
    recogniser, samples = viet.recogniser(), clip("demand")
    passes = []
    for _ in range(2):
        recogniser.accept(samples.tobytes())
        passes.append(recogniser.final())
    first, second = passes
    assert [word.text for word in first] == [word.text for word in second]
    assert first
    shift = len(samples) / RATE_HZ
    assert second[-1].end_s == pytest.approx(first[-1].end_s + shift, abs=0.001)


def test_sound_too_short_for_a_chunk_is_heard_all_the_same(viet: Engine, clip: Clip) -> None:
    """The library alone says nothing below half a second; the silence put in brings it out."""
    samples = clip("demand")[round(0.5 * RATE_HZ) : round(1.1 * RATE_HZ)]
    recogniser = viet.recogniser()
    recogniser.accept(samples.tobytes())
    assert recogniser.final()
    assert recogniser.final() == ()


def test_an_utterance_ends_before_the_library_forgets_its_beginning(
    viet: Engine, clip: Clip
) -> None:
    """Ungated talk with long pauses: the library keeps only the last four pieces of its text."""
    pause = np.zeros(round(1.6 * RATE_HZ), "int16")
    samples = np.concatenate(
        [piece for _ in range(PIECES + 1) for piece in (clip("demand"), pause)]
    )
    recogniser, ends = viet.recogniser(), 0
    for at in range(0, len(samples), 1600):
        if recogniser.accept(samples[at : at + 1600].tobytes()):
            ends += 1
            assert recogniser.result()
    assert ends >= 1


async def test_live_and_recorded_give_the_same_finals(talk: np.ndarray) -> None:
    settings = RecognitionSettings(engine="viet-asr", processes=1)
    async with Recognition(settings) as recognition:
        ear = recognition.open(LegName.CALLER)
        for frame in frames(talk):
            if ear.lag_s > 3.0:
                await until(lambda: ear.lag_s < 3.0, "room in the queue")
            ear.feed(frame)
        assert await ear.finish() == ()
        finals = [one async for one in ear.utterances() if one.is_final]
        assert {one.model_sha256 for one in finals} == {recognition.model_info.sha256}
        assert list(await recognition.transcribe(talk, LegName.CALLER)) == finals


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viet_asr_engine, "find_spec", lambda name: None)
    with pytest.raises(RecognitionError, match="viet-asr is not installed") as told:
        engines.in_use(RecognitionSettings(engine="viet-asr"))
    assert "requirements/viet.lock" in told.value.remedy
    assert engines.second_engine(RecognitionSettings()) is None


@pytest.mark.parametrize(
    ("engine", "second_pass", "second"),
    [
        ("vosk", "auto", "viet-asr"),
        ("viet-asr", "auto", None),
        ("vosk", "off", None),
        ("vosk", "vosk", None),
        ("viet-asr", "vosk", "vosk"),
    ],
)
def test_the_second_pass_takes_another_engine_or_none(engine, second_pass, second) -> None:
    settings = RecognitionSettings(engine=engine, second_pass=second_pass)
    assert engines.second_engine(settings) == second
