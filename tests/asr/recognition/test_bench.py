"""The figures in the docs come from this command; it must measure what it says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.errors import UsageError
from ivr.recognition import bench
from ivr.recognition.engine import HeardWord
from ivr.recognition.lane import Heard
from ivr.settings import PROJECT_ROOT


def said(index: int, is_final: bool, *words: tuple[str, float]) -> Heard:
    return Heard(
        index, is_final, tuple(HeardWord(text, end - 0.2, end, 1.0) for text, end in words)
    )


def test_delay_runs_from_a_word_s_end_to_the_first_message_that_holds_all_up_to_it() -> None:
    heard = [
        (1.6, said(0, False, ("công", 0.0))),
        (2.0, said(0, False, ("công", 0.0), ("ăn", 0.0))),  # wrong at first: does not count
        (2.5, said(0, True, ("công", 1.1), ("an", 1.5))),
    ]
    assert bench.delays(heard) == pytest.approx([0.5, 1.0])


def test_a_leg_has_the_share_of_speech_that_was_asked_for() -> None:
    clip = np.concatenate([np.zeros(4000), np.full(8000, 9000), np.zeros(4000)]).astype("int16")
    leg = bench.make_leg([clip], 0.4, 60)
    loud = np.abs(leg.astype(int)) > 4000
    assert np.mean(loud) == pytest.approx(0.4 * 5 / 6, abs=0.03)  # breath between is speech too


def test_the_command_prints_one_object_a_line() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ivr.recognition.bench", "--json"),
            *("--seconds", "5", "--share", "0.5"),
        ],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    figures = json.loads(line)
    assert figures["words"] > 5
    assert 0.2 < figures["delay_median_s"] < 2.0
    assert figures["lanes_per_core"] > 1


def test_without_a_model_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ivr.recognition.bench", "--model", "/nowhere"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "no model directory" in done.stderr


def test_a_recording_of_another_rate_is_a_usage_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.wav", np.zeros(1600, "int16"), 16000)
    with pytest.raises(UsageError, match="16000"):
        bench.read_clips([tmp_path / "wide.wav"])
    with pytest.raises(UsageError, match="nothing to measure"):
        bench.read_clips([])
