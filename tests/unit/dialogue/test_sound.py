"""Prompts are checked as sound, and joined without holes."""

import hashlib
import io
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivr.dialogue import listing, prompts, sound
from ivr.dialogue.listing import Entry
from ivr.dialogue.spoken import PAUSE
from ivr.errors import EnvironmentProblem
from ivr.settings import PROJECT_ROOT

BUILT_IN = PROJECT_ROOT / "prompts"
TEXT = "Dạ, cho tôi xin họ tên đầy đủ ạ."


def voice(seconds: float = 2.0, amplitude: float = 0.15) -> np.ndarray:
    """A vowel-like sound of 150 Hz and its overtones."""
    at = np.arange(int(seconds * 8000)) / 8000
    tone = sum(np.sin(2 * np.pi * 150 * n * at) / n for n in range(1, 6))
    return (amplitude * 32767 * tone / 2).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * 8000), np.int16)


def said(samples: np.ndarray, text: str = TEXT) -> str:
    return "; ".join(sound.sound_faults(samples, text))


def test_every_prompt_of_the_repository_is_in_order():
    found = {e.id: sound.faults(e, BUILT_IN) for e in listing.read(BUILT_IN)}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_both_languages_have_the_same_prompts_besides_the_words_of_numbers():
    ids = {
        language: {e.id for e in listing.read(BUILT_IN) if e.language == language and not e.is_word}
        for language in ("vi", "en")
    }
    assert ids["en"] - ids["vi"] == {"menu_on"}  # "at ten … on five November"
    assert ids["vi"] <= ids["en"]


@pytest.mark.parametrize(
    ("samples", "wrong"),
    [
        (silence(2.0), "nobody speaks"),
        (voice(amplitude=0.02), "level is"),
        (voice(amplitude=1.9).clip(-32768, 32767), "clipped"),
        (np.concatenate([silence(1.0), voice()]), "begins with 1.00 s of silence"),
        (np.concatenate([voice(), silence(1.5)]), "ends with 1.50 s of silence"),
        (voice(0.3), "too short"),
        (voice(12.0), "too long"),
    ],
    ids=["silent", "quiet", "clipped", "late", "trailing", "short", "long"],
)
def test_a_bad_recording_is_told_what_is_wrong(samples, wrong):
    assert wrong in said(samples.astype(np.int16))


def test_a_good_recording_has_no_fault():
    assert said(np.concatenate([silence(0.1), voice(), silence(0.1)])) == ""


def test_quiet_and_loud_speech_come_to_one_level():
    for amplitude in (0.03, 0.1, 0.5):
        assert sound.speech_level_db(sound.levelled(voice(amplitude=amplitude))) == pytest.approx(
            sound.LEVEL_DB, abs=0.2
        )


def test_levelling_never_clips_a_sound_with_one_loud_click():
    clicked = voice(amplitude=0.02)
    clicked[4000] = 30000
    assert np.abs(sound.levelled(clicked).astype(int)).max() <= 0.7 * 32768


def test_trimming_leaves_the_same_short_silence_at_both_ends():
    samples = sound.trimmed(np.concatenate([silence(1.0), voice(0.5), silence(2.0)]), 0.1)
    assert len(samples) / 8000 == pytest.approx(0.7, abs=0.01)
    assert not samples[:800].any()
    assert not samples[-800:].any()


def test_a_wav_of_another_form_is_refused_with_its_form(tmp_path):
    path = tmp_path / "wide.wav"
    with wave.open(str(path), "wb") as wide:
        wide.setnchannels(2)
        wide.setsampwidth(2)
        wide.setframerate(16000)
        wide.writeframes(bytes(6400))
    with pytest.raises(EnvironmentProblem) as caught:
        sound.read_wav(path)
    assert "16000 Hz, 2 channels, 16 bits" in caught.value.why


def test_a_number_is_one_sound_without_holes():
    """Between the words of one number no silence is longer than in natural speech; the pause
    between groups is heard as one."""
    loaded = prompts.load(BUILT_IN, "vi")
    pieces = ("n_0", "n_9", "n_8", "n_7", PAUSE, "n_6", "n_5", "n_4")
    with wave.open(io.BytesIO(sound.joined(loaded, pieces))) as joined:
        samples = np.frombuffer(joined.readframes(joined.getnframes()), "<i2")
        assert (joined.getframerate(), joined.getnchannels(), joined.getsampwidth()) == (8000, 1, 2)
    quiet = np.abs(samples.astype(int)) <= 0.01 * 32768
    runs = _runs(quiet)[1:-1] if quiet[0] else _runs(quiet)[:-1]
    long = [run for run in runs if run > 0.16 * 8000]
    assert len(long) == 1, [run / 8000 for run in runs]
    assert 0.25 * 8000 < long[0] < 0.6 * 8000
    lengths = sum(len(sound.read_wav(loaded[p].path)) for p in pieces if p != PAUSE)
    assert len(samples) > lengths


def _runs(quiet: np.ndarray) -> list[int]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    return [int(end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vi").mkdir()
    shutil.copy(BUILT_IN / "vi/ask_name.wav", tmp_path / "vi")
    content = (tmp_path / "vi/ask_name.wav").read_bytes()
    digest, length = hashlib.sha256(content).hexdigest(), (len(content) - 44) / 16000
    listing.write(tmp_path, [Entry("ask_name", "vi", TEXT, "espeak-ng", digest, length)])
    return tmp_path


def test_a_listing_is_written_and_read_back(folder):
    entries = listing.read(folder)
    odd = replace(entries[0], id="odd", text='He said "dạ" \\ twice')
    listing.write(folder, [*entries, odd])
    kept = listing.read(folder)
    assert [entry.text for entry in kept] == [TEXT, odd.text]


def test_a_prompt_listed_twice_is_named(folder):
    listing.write(folder, [*listing.read(folder), *listing.read(folder)])
    with pytest.raises(EnvironmentProblem) as caught:
        listing.read(folder)
    assert "'ask_name' (vi) is listed twice" in caught.value.why


def test_a_changed_file_and_a_wrong_length_are_faults(folder):
    (entry,) = listing.read(folder)
    assert sound.faults(entry, folder) == []
    path = entry.path(folder)
    path.write_bytes(sound.as_wav(np.concatenate([sound.read_wav(path), silence(0.2)])))
    wrong = "; ".join(sound.faults(entry, folder))
    assert "not the listed recording" in wrong
    assert "it lasts" in wrong
    path.unlink()
    assert "No such file" in "; ".join(sound.faults(entry, folder))


def test_prompts_that_a_dialogue_needs_are_required_by_name(folder):
    loaded = prompts.load(folder, "vi")
    prompts.require(loaded, ["ask_name"], "vi")
    with pytest.raises(EnvironmentProblem) as caught:
        prompts.require(loaded, ["ask_name", "zzz", "aaa"], "vi")
    assert caught.value.why == "aaa, zzz"
