"""A studio recording takes the place of a prompt, when it is good."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from ivr.dialogue import listing, prompts, recording, sound
from ivr.errors import InputError
from ivr.settings import PROJECT_ROOT
from tests.fakes.raw_caller import tone

BUILT_IN = PROJECT_ROOT / "prompts"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("vi/ask_name.wav", "vi/n_5.wav", "en/ask_name.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(BUILT_IN / name, tmp_path / name)
    kept = {("ask_name", "vi"), ("n_5", "vi"), ("ask_name", "en")}
    entries = [e for e in listing.read(BUILT_IN) if (e.id, e.language) in kept]
    listing.write(tmp_path, entries)
    return tmp_path


def studio(seconds: float = 2.0, amplitude: int = 1500) -> np.ndarray:
    quiet = np.zeros(8000, np.int16)
    voice = tone(300, seconds, amplitude).clip(-32768, 32767).astype(np.int16)
    return np.concatenate([quiet, voice, quiet])


def test_it_is_trimmed_levelled_listed_and_the_old_one_is_kept(folder):
    before = (folder / "vi/ask_name.wav").read_bytes()
    entry = recording.replace_prompt(folder, "ask_name", "vi", [studio()])
    samples = sound.read_wav(folder / "vi/ask_name.wav")
    assert sound.speech_level_db(samples) == pytest.approx(sound.LEVEL_DB, abs=0.3)
    assert len(samples) / 8000 == pytest.approx(2.2, abs=0.01)
    assert entry.voice == "recorded"
    assert entry.sha256 == hashlib.sha256((folder / "vi/ask_name.wav").read_bytes()).hexdigest()
    assert (folder / "vi/ask_name.wav.bak").read_bytes() == before
    loaded = prompts.load(folder, "vi")["ask_name"]
    assert (loaded.voice, loaded.duration_s) == ("recorded", pytest.approx(2.2, abs=0.01))
    assert [e.voice for e in listing.read(folder) if e.language == "en"] == ["espeak-ng"]


def test_two_channels_become_one_and_a_word_of_a_number_has_no_long_edges(folder):
    entry = recording.replace_prompt(folder, "n_5", "vi", [studio(0.4), studio(0.4)])
    assert entry.duration_s == pytest.approx(0.42, abs=0.01)


def test_another_wording_is_listed(folder):
    text = "Xin cho biết họ tên ạ."
    recording.replace_prompt(folder, "ask_name", "vi", [studio()], text)
    assert prompts.load(folder, "vi")["ask_name"].text == text


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (np.zeros(16000, np.int16), "nobody speaks"),
        (studio(0.2), "too short"),
        (studio(20.0), "too long"),
        (studio(amplitude=100_000), "clipped"),
    ],
    ids=["silent", "short", "long", "clipped"],
)
def test_a_bad_recording_changes_nothing(folder, samples, why):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    with pytest.raises(InputError) as caught:
        recording.replace_prompt(folder, "ask_name", "vi", [samples])
    assert why in caught.value.why
    assert "họ tên" in caught.value.remedy
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


@pytest.mark.parametrize(("prompt", "language"), [("nobody", "vi"), ("n_5", "en")])
def test_a_prompt_that_is_not_listed_is_refused(folder, prompt, language):
    with pytest.raises(InputError, match=prompt):
        recording.replace_prompt(folder, prompt, language, [studio()])
