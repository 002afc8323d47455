"""One leg: the same sound gives the same words at the same times, however it arrives."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ivr.errors import RecognitionError
from ivr.recognition.engine import Engine
from ivr.recognition.lane import Heard, Lane, LaneSettings
from ivr.recognition.model import open_model
from ivr.recognition.vosk_engine import VoskEngine

Clip = Callable[[str], np.ndarray]
RATE_HZ = 8000


def hear(lane: Lane, samples: np.ndarray, size: int = 160, offset: int = 0) -> list[Heard]:
    out: list[Heard] = []
    for at in range(0, len(samples), size):
        out += lane.hear(offset + at, samples[at : at + size].tobytes())
    return out + list(lane.finish())


def finals(heard: list[Heard]) -> list[Heard]:
    return [one for one in heard if one.is_final]


def text(heard: list[Heard]) -> str:
    return " | ".join(" ".join(word.text for word in one.words) for one in finals(heard))


@pytest.fixture
def lane(engine: Engine, lane_settings: LaneSettings) -> Lane:
    return Lane(engine, RATE_HZ, lane_settings)


def ungated(engine: Engine, given: LaneSettings) -> Lane:
    return Lane(
        engine,
        RATE_HZ,
        LaneSettings(
            given.vad_mode, given.preroll_s, given.hangover_s, given.partial_every_s, is_gated=False
        ),
    )


def test_the_key_phrases_are_heard(lane: Lane, clip: Clip) -> None:
    assert text(hear(lane, clip("two_phrases"))) == "tôi là công an | yêu cầu anh chuyển tiền"


@pytest.mark.parametrize(
    "name", ["silence_then_speech", "noise_then_speech", "two_phrases", "demand"]
)
def test_word_times_are_the_leg_s_within_150_ms(
    lane: Lane, clip: Clip, spans: dict, name: str
) -> None:
    heard = [word for one in finals(hear(lane, clip(name))) for word in one.words]
    assert [word.text for word in heard] == [word for word, _, _ in spans[name]]
    for word, (_, start_s, end_s) in zip(heard, spans[name], strict=True):
        assert word.start_s == pytest.approx(start_s, abs=0.15)
        assert word.end_s == pytest.approx(end_s, abs=0.15)
        assert 0 <= word.confidence <= 1


@pytest.mark.parametrize("name", ["silence_then_speech", "noise_then_speech", "demand"])
@pytest.mark.parametrize("noise_s", [0.0, 0.3, 3.7])
def test_the_first_word_is_never_clipped(
    engine: Engine, lane_settings: LaneSettings, clip: Clip, name: str, noise_s: float
) -> None:
    """Gated and ungated decoding agree on the first word, also when the call begins with it."""
    noise = np.random.default_rng(3).normal(0, 20, round(noise_s * RATE_HZ)).astype("int16")
    samples = np.concatenate([noise, clip(name)])
    gated = finals(hear(Lane(engine, RATE_HZ, lane_settings), samples))
    plain = finals(hear(ungated(engine, lane_settings), samples))
    assert gated[0].words[0].text == plain[0].words[0].text
    assert gated[0].words[0].start_s == pytest.approx(plain[0].words[0].start_s, abs=0.1)


def test_speech_from_the_very_first_sample_is_heard_whole(lane: Lane, clip: Clip) -> None:
    spoken = clip("demand")[round(0.5 * RATE_HZ) :]
    assert text(hear(lane, spoken)) == "yêu cầu anh chuyển tiền"


@pytest.mark.parametrize("size", [1, 37, 240, 7001])
def test_the_result_does_not_depend_on_the_frame_size(
    engine: Engine, lane_settings: LaneSettings, clip: Clip, size: int
) -> None:
    samples = clip("two_phrases")
    expected = hear(Lane(engine, RATE_HZ, lane_settings), samples, 160)
    assert hear(Lane(engine, RATE_HZ, lane_settings), samples, size) == expected
    assert len(expected) > 3


def test_an_offset_moves_every_time_by_itself(
    engine: Engine, lane_settings: LaneSettings, clip: Clip
) -> None:
    samples = clip("two_phrases")
    here = finals(hear(Lane(engine, RATE_HZ, lane_settings), samples))
    moved = finals(hear(Lane(engine, RATE_HZ, lane_settings), samples, offset=600 * RATE_HZ))
    for one, other in zip(here, moved, strict=True):
        for word, later in zip(one.words, other.words, strict=True):
            assert later.text == word.text
            assert later.start_s == pytest.approx(word.start_s + 600, abs=1e-6)


def test_a_gap_counts_on_the_clock_and_equals_zeros(
    engine: Engine, lane_settings: LaneSettings, clip: Clip
) -> None:
    """An hour of nothing costs nothing, and the words behind it are an hour later."""
    first, second = clip("silence_then_speech"), clip("demand")
    gap = 2 * RATE_HZ
    lane = Lane(engine, RATE_HZ, lane_settings)
    heard = [*lane.hear(0, first.tobytes()), *lane.hear(len(first) + gap, second.tobytes())]
    heard += lane.finish()
    filled = np.concatenate([first, np.zeros(gap, "int16"), second])
    assert heard == hear(Lane(engine, RATE_HZ, lane_settings), filled)
    hour = 3600 * RATE_HZ
    lane = Lane(engine, RATE_HZ, lane_settings)
    heard = [*lane.hear(0, first.tobytes()), *lane.hear(hour, second.tobytes()), *lane.finish()]
    assert finals(heard)[-1].words[0].start_s == pytest.approx(3600.5, abs=0.15)


def test_a_gap_inside_an_utterance_is_silence_inside_it(lane: Lane, clip: Clip) -> None:
    samples = clip("demand")
    cut = round(0.87 * RATE_HZ)
    lost = RATE_HZ // 50
    heard = [*lane.hear(0, samples[:cut].tobytes())]
    heard += lane.hear(cut + lost, samples[cut + lost :].tobytes())
    heard += lane.finish()
    assert finals(heard)[-1].words[-1].end_s == pytest.approx(1.67, abs=0.15)


def test_a_repetition_is_not_heard_twice(
    engine: Engine, lane_settings: LaneSettings, clip: Clip
) -> None:
    samples = clip("demand")
    lane = Lane(engine, RATE_HZ, lane_settings)
    heard: list[Heard] = []
    for at in range(0, len(samples), 160):
        heard += lane.hear(at, samples[at : at + 160].tobytes())
        heard += lane.hear(max(0, at - 80), samples[max(0, at - 80) : at + 160].tobytes())
    heard += lane.finish()
    assert heard == hear(Lane(engine, RATE_HZ, lane_settings), samples)


def test_partials_carry_the_index_of_their_final_and_estimates(lane: Lane, clip: Clip) -> None:
    heard = hear(lane, clip("two_phrases"))
    assert [one.index for one in finals(heard)] == [0, 1]
    for one in heard:
        if not one.is_final:
            assert {word.confidence for word in one.words} <= {0.5}
            edges = [edge for word in one.words for edge in (word.start_s, word.end_s)]
            assert edges == sorted(edges)
    assert {one.index for one in heard if not one.is_final} == {0, 1}


def test_a_sender_that_falls_silent_gets_its_last_words_out(lane: Lane, clip: Clip) -> None:
    """Silence suppression: no packet comes until the sender speaks again."""
    samples = clip("demand")[: round(1.75 * RATE_HZ)]
    heard = list(lane.hear(0, samples.tobytes()))
    assert not finals(heard)
    heard += lane.assume_silence()
    assert text(heard) == "yêu cầu anh chuyển tiền"
    assert list(lane.assume_silence()) == []


def test_sound_that_comes_late_after_all_is_heard_where_it_belongs(
    lane: Lane, clip: Clip, spans: dict
) -> None:
    samples = clip("two_phrases")
    cut = round(2.1 * RATE_HZ)
    heard = list(lane.hear(0, samples[:cut].tobytes()))
    heard += lane.assume_silence()
    heard += lane.hear(cut, samples[cut:].tobytes())
    heard += lane.finish()
    assert text(heard) == "tôi là công an | yêu cầu anh chuyển tiền"
    last = finals(heard)[-1].words[-1]
    assert last.end_s == pytest.approx(spans["two_phrases"][-1][2], abs=0.15)


def test_settled_never_runs_ahead_of_an_open_utterance(lane: Lane, clip: Clip) -> None:
    samples = clip("silence_then_speech")
    for at in range(0, round(2.9 * RATE_HZ), 160):
        list(lane.hear(at, samples[at : at + 160].tobytes()))
        assert lane.settled <= max(at, 2.0 * RATE_HZ)
    list(lane.hear(round(2.9 * RATE_HZ), samples[round(2.9 * RATE_HZ) :].tobytes()))
    assert lane.settled > 3.0 * RATE_HZ


def test_noise_and_silence_say_nothing(lane: Lane) -> None:
    noise = np.random.default_rng(5).normal(0, 30, 20 * RATE_HZ).astype("int16")
    assert text(hear(lane, noise)) == ""


def test_a_model_for_16_khz_is_fed_16_khz(
    engine: Engine, lane_settings: LaneSettings, model_path: Path, tmp_path: Path, clip: Clip,
    spans: dict,
) -> None:  # fmt: skip
    """The same network with filters up to 3.8 kHz on twice the rate sees the same spectrum."""
    wide = Path(shutil.copytree(model_path, tmp_path / "wide"))
    conf = wide / "conf/mfcc.conf"
    narrow = conf.read_text()
    # The last filter stays where it was; a negative value counts from half the sample rate.
    kept = re.sub(r"high-freq=-(\d+)", lambda found: f"high-freq={4000 - int(found[1])}", narrow)
    conf.write_text(kept.replace("frequency=8000", "frequency=16000"))
    assert open_model(wide).rate_hz == 16000
    lane = Lane(VoskEngine(open_model(wide)), RATE_HZ, lane_settings)
    heard = [word for one in finals(hear(lane, clip("silence_then_speech"))) for word in one.words]
    assert [word.text for word in heard] == [word for word, _, _ in spans["silence_then_speech"]]
    for word, (_, start_s, end_s) in zip(heard, spans["silence_then_speech"], strict=True):
        assert word.start_s == pytest.approx(start_s, abs=0.15)
        assert word.end_s == pytest.approx(end_s, abs=0.15)


def test_a_wideband_leg_is_brought_to_the_model_s_rate(
    engine: Engine, lane_settings: LaneSettings, clip: Clip, spans: dict
) -> None:
    import soxr

    wide = soxr.resample(clip("two_phrases"), 8000, 16000)
    lane = Lane(engine, 16000, lane_settings)
    heard = [word for one in finals(hear(lane, wide, 320)) for word in one.words]
    assert [word.text for word in heard] == [word for word, _, _ in spans["two_phrases"]]
    assert heard[-1].end_s == pytest.approx(spans["two_phrases"][-1][2], abs=0.15)


def test_another_rate_is_refused(engine: Engine, lane_settings: LaneSettings) -> None:
    with pytest.raises(RecognitionError, match="44100"):
        Lane(engine, 44100, lane_settings)


def test_two_voices_at_once_come_with_other_readings_on_the_leg_s_clock(
    lane: Lane, clip: Clip, engine: Engine
) -> None:
    both = clip("two_phrases") // 2
    over = clip("demand")[: len(both) - 1600] // 2
    both[1600 : 1600 + len(over)] += over
    told = finals(hear(lane, both, offset=8000))
    others = [words for one in told for words in one.others]

    assert others
    assert all(len(one.others) <= engine.info.other_readings for one in told)
    assert all(words != one.words for one in told for words in one.others)
    assert all(1.0 <= word.start_s <= word.end_s for words in others for word in words)
    assert all(0.0 < word.confidence <= 1.0 for words in others for word in words)
    assert min(word.confidence for one in told for word in one.words) < 1.0
