"""The supervisor with small programs in the agent's place: it ends, hangs, is stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ivr.settings import PROJECT_ROOT

SUPERVISOR = """
import sys
from pathlib import Path
from ivr import telemetry
from ivr.watch import supervisor
telemetry.configure("info", "json")
supervisor.FIRST_WAIT_S = 0.05
supervisor.DUMP_S = 5.0
agent = (sys.executable, "-c", sys.argv[1], sys.argv[2])
sys.exit(supervisor.Supervisor(agent, 1.0, Path(sys.argv[2], "diagnostics")).run())
"""
POLITE = "sys.exit(0)"
BEAT = """
while heart.say(ALIVE):
    time.sleep(0.1)
sys.exit(9)
"""


def agent(body: str, on_term: str = POLITE) -> str:
    """A program that says it is well, notes its start, and goes on with ``body``."""
    return f"""
import os, signal, sys, time
from pathlib import Path
from ivr.watch.heartbeat import ALIVE, READY, Heartbeat
heart = Heartbeat.from_environment()
signal.signal(signal.SIGTERM, lambda *_: {on_term})
heart.say(ALIVE)
heart.say(READY)
with Path(sys.argv[1], "starts").open("a") as file:
    file.write(f"{{os.getpid()}} {{heart.restarts}} {{heart.why}}\\n")
{body}"""


class Supervised:
    def __init__(self, folder: Path, program: str, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, program, str(folder)],
            cwd=PROJECT_ROOT,
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def starts(self, least: int) -> list[tuple[int, int, str]]:
        """Each start: process id, restarts told, why the one before ended."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            file = self.folder / "starts"
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) >= least:
                parts = [line.split(" ", 2) for line in lines]
                return [(int(pid), int(n), why) for pid, n, why in parts]
            time.sleep(0.02)
        raise AssertionError(f"not {least} starts; {self.process.poll()}")

    def end(self, seconds: float = 20.0) -> int:
        _, self.log = self.process.communicate(timeout=seconds)
        return self.process.returncode


@pytest.fixture
def supervised(tmp_path):
    made = []

    def start(program: str, **environment: str) -> Supervised:
        made.append(Supervised(tmp_path, program, **environment))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def test_an_agent_that_is_killed_is_started_again_and_told_why(supervised):
    it = supervised(agent(BEAT))
    ((pid, _, _),) = it.starts(1)
    os.kill(pid, signal.SIGKILL)
    assert it.starts(2)[1][1:] == (1, "signal 9")
    it.process.terminate()
    assert it.end() == 0
    assert '"why": "signal 9"' in it.log


def test_an_agent_that_hangs_writes_down_where_it_stands_and_is_replaced(supervised, tmp_path):
    hang = "def stuck_here():\n    time.sleep(60)\nif heart.restarts == 0:\n    stuck_here()\n"
    it = supervised(agent(hang + BEAT))
    assert it.starts(2)[1][2].startswith("no sign of life")
    it.process.terminate()
    assert it.end() == 0
    (dump,) = (tmp_path / "diagnostics").iterdir()
    assert "stuck_here" in dump.read_text()
    assert dump.stat().st_mode & 0o077 == 0


def test_a_stopped_agent_is_replaced(supervised):
    it = supervised(agent(BEAT))
    ((pid, _, _),) = it.starts(1)
    os.kill(pid, signal.SIGSTOP)
    it.starts(2)
    it.process.terminate()
    assert it.end() == 0


@pytest.mark.parametrize("code", [0, 2, 3])
def test_an_agent_that_says_why_it_cannot_start_is_not_started_again(supervised, code):
    it = supervised(f"import sys; sys.exit({code})")
    assert it.end() == code


def test_an_agent_that_never_comes_up_is_given_up(supervised):
    it = supervised("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert it.end() == 3


def test_once_it_was_well_it_is_never_given_up(supervised):
    it = supervised(agent("time.sleep(0.2)\nsys.exit(3)"))
    it.starts(4)
    it.process.terminate()
    assert it.end() in (0, 3)


def test_ctrl_c_becomes_one_polite_end(supervised, tmp_path):
    noting = "(Path(sys.argv[1], 'got').touch(), sys.exit(0))"
    it = supervised(agent(BEAT, on_term=noting))
    it.starts(1)
    it.process.send_signal(signal.SIGINT)
    assert it.end() == 0
    assert (tmp_path / "got").exists()


def test_an_agent_whose_supervisor_is_gone_ends(supervised):
    it = supervised(agent(BEAT))
    ((pid, _, _),) = it.starts(1)
    it.process.kill()
    it.end()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_systemd_is_told_that_it_is_ready_alive_and_stopping(supervised, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        it = supervised(
            agent(BEAT), NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000"
        )
        told: list[str] = []
        while not {"READY=1", "WATCHDOG=1"} <= set(told):
            told += systemd.recv(4096).decode().splitlines()
        it.process.terminate()
        assert it.end() == 0
        while "STOPPING=1" not in told:
            told += systemd.recv(4096).decode().splitlines()
