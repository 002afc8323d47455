"""Prompts are what the listing says, or nothing is spoken."""

import shutil
import wave
from pathlib import Path

import pytest

from ivr.dialogue import prompts
from ivr.errors import EnvironmentProblem
from ivr.settings import PROJECT_ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT_ROOT / "prompts", tmp_path / "prompts"))


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_prompt_is_telephone_sound_of_the_listed_length(folder, language):
    loaded = prompts.load(folder, language)
    assert {"announcement", "question", "nudge_1", "nudge_2", "closing"} <= set(loaded)
    for prompt in loaded.values():
        with wave.open(str(prompt.path)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (
                8000,
                1,
                2,
            )
            assert abs(sound.getnframes() / 8000 - prompt.duration_s) < 0.01


def test_a_changed_recording_is_refused_until_it_is_listed(folder):
    (folder / "vi" / "closing.wav").write_bytes(b"RIFF")
    with pytest.raises(EnvironmentProblem, match="not the listed recording"):
        prompts.load(folder, "vi")


def test_a_missing_recording_is_named(folder):
    (folder / "vi" / "closing.wav").unlink()
    with pytest.raises(EnvironmentProblem, match=r"closing\.wav"):
        prompts.load(folder, "vi")


def test_a_missing_language_is_said(folder):
    with pytest.raises(EnvironmentProblem, match="language 'fr'"):
        prompts.load(folder, "fr")


def test_a_broken_listing_is_said(folder):
    (folder / "prompts.toml").write_text("prompt = [")
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        prompts.load(folder, "vi")
