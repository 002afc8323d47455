"""The host replaces what dies or hangs, and ends with its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ivr.settings import PROJECT_ROOT
from tests.asr.recognition.conftest import DEADLINE_S, children_of


def start(model: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ivr.recognition.host",
            f"--model={model}",
            f"--socket={folder}/ear",
            "--processes=1",
            "--vad-mode=2",
            "--preroll-s=0.4",
            "--hangover-s=0.7",
            "--partial-every-s=0.2",
            *options,
        ],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)


@pytest.fixture
def host(model_path: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with start(model_path, tmp_path, "--hang-s=1.0") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True}
        yield process
        process.kill()


def test_a_process_that_shows_no_life_is_replaced(host: subprocess.Popen[str]) -> None:
    (stopped,) = children_of(host.pid)
    os.kill(stopped, signal.SIGSTOP)
    wait_until(
        lambda: bool(children_of(host.pid)) and stopped not in children_of(host.pid), "a new one"
    )


def test_idle_processes_are_left_alone(host: subprocess.Popen[str]) -> None:
    before = children_of(host.pid)
    end = time.monotonic() + 1.6  # longer than the time after which a hanging one is killed
    while time.monotonic() < end:
        assert children_of(host.pid) == before
        time.sleep(0.1)


def test_processes_that_die_young_are_replaced_ever_more_slowly(
    host: subprocess.Popen[str],
) -> None:
    gaps: list[float] = []
    for _ in range(4):
        wait_until(lambda: bool(children_of(host.pid)), "a process")
        os.kill(children_of(host.pid)[0], signal.SIGKILL)
        start_s = time.monotonic()
        wait_until(lambda: not children_of(host.pid), "its end")
        wait_until(lambda: bool(children_of(host.pid)), "its successor")
        gaps.append(time.monotonic() - start_s)
    assert gaps[3] > 2 * gaps[1]


def test_it_ends_with_its_standard_input(host: subprocess.Popen[str], tmp_path: Path) -> None:
    children = children_of(host.pid)
    assert host.stdin is not None
    host.stdin.close()
    host.stdin = None
    assert host.wait(DEADLINE_S) == 0
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "their end")
    assert not tmp_path.exists(), "the folder of its sockets is left behind"


def test_a_broken_model_is_one_line_and_exit_3(tmp_path: Path) -> None:
    with start(tmp_path, tmp_path) as process:
        out, _ = process.communicate(timeout=DEADLINE_S)
        assert json.loads(out)["error"]["type"] == "RecognitionError"
        assert process.returncode == 3
