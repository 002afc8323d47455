"""Keeps the agent alive: ``python -m ivr.watch.supervisor … -- ARGUMENTS OF IVR``.

`ivr serve` becomes this small process, which starts `ivr serve` again as its child. The child says
once a second that its event loop turns (`ivr.watch.heartbeat`). One that dies, or says nothing for
too long, is replaced after a back-off; what it left open is sealed by the next start. It loads
neither pjsua2 nor a model, so that nothing of theirs can end it.
"""

import argparse
import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ivr import telemetry
from ivr.watch import heartbeat
from ivr.watch.notify import notify

FIRST_BEAT_S = 60.0
"""How long loading the program may take."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
STEADY_AFTER_S = 60.0
"""An agent that took calls so long starts the back-off anew when it dies."""
DUMP_S = 2.0
"""For a hung agent to write down where each thread stands."""
TRIES_BEFORE_READY = 3
KEPT_DUMPS = 10
ENVIRONMENT = 3
"""Exit code, see README."""
TURN_S = 1.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = telemetry.logger("ivr.supervisor")


@dataclass(slots=True)
class Life:
    """One agent process. Moments are of the monotonic clock, 0: not yet."""

    process: subprocess.Popen[bytes]
    pipe: int
    dump: Path | None
    started_at: float
    beat_at: float = 0.0
    ready_at: float = 0.0

    def hangs(self, now: float, hang_after_s: float) -> bool:
        if not self.beat_at:
            return now - self.started_at > FIRST_BEAT_S
        return now - self.beat_at > hang_after_s


class Supervisor:
    """Args:
    command: the agent, as given to exec.
    hang_after_s: without a heartbeat for so long the agent is killed.
    diagnostics: folder for what a killed agent wrote down; made when missing.
    """

    def __init__(self, command: Sequence[str], hang_after_s: float, diagnostics: Path) -> None:
        self._command = tuple(command)
        self._hang_after_s = hang_after_s
        self._diagnostics = diagnostics
        self._signals: list[int] = []
        self._is_stopping = False
        self._has_been_ready = False
        self._starts = 0
        self._why = ""
        self._pets_watchdog = "WATCHDOG_USEC" in os.environ

    def run(self) -> int:
        """Until the agent ends well, is stopped, or cannot start; returns the exit code."""
        self._wakeup, wake = os.pipe()
        for end in (self._wakeup, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda got, _: self._signals.append(got))
        wait_s = FIRST_WAIT_S
        while True:
            life = self._start()
            why = self._follow(life)
            status = life.process.wait()
            self._keep_dump(life)
            os.close(life.pipe)
            if (code := self._final(status)) is not None:
                notify("STOPPING=1")
                return code
            self._why = why or _described(status)
            if life.ready_at and time.monotonic() - life.ready_at > STEADY_AFTER_S:
                wait_s = FIRST_WAIT_S
            _log.error("agent ended", agent_pid=life.process.pid, why=self._why, again_in_s=wait_s)
            notify(f"STATUS=The agent ended ({self._why}) and is started again.")
            self._pause(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            if self._is_stopping:
                return 0

    def _final(self, status: int) -> int | None:
        """The exit code, when there shall be no further agent."""
        if status == 0:
            return 0
        if self._is_stopping:
            return status if status > 0 else 0 if status == -signal.SIGTERM else ENVIRONMENT
        if not self._has_been_ready and (status > 0 or self._starts >= TRIES_BEFORE_READY):
            # it said itself what is missing; or it never came up
            return status if status > 0 else ENVIRONMENT
        return None

    # --- one agent -----------------------------------------------------------------------------

    def _start(self) -> Life:
        pipe, theirs = os.pipe()
        os.set_blocking(pipe, False)
        environment = dict(os.environ)
        environment.pop("NOTIFY_SOCKET", None)
        environment[heartbeat.FD_VARIABLE] = str(theirs)
        environment[heartbeat.RESTARTS_VARIABLE] = str(self._starts)
        environment[heartbeat.WHY_VARIABLE] = self._why
        passed = [theirs]
        dump, descriptor = self._open_dump()
        if descriptor is not None:
            environment[heartbeat.DUMP_VARIABLE] = str(descriptor)
            passed.append(descriptor)
        try:
            process = subprocess.Popen(self._command, env=environment, pass_fds=passed)
        finally:
            for end in passed:
                os.close(end)
        self._starts += 1
        return Life(process, pipe, dump, time.monotonic())

    def _follow(self, life: Life) -> str:
        """Until the process has ended; returns why we ended it, if we did."""
        watched = os.pidfd_open(life.process.pid)
        try:
            while True:
                ready, _, _ = select.select([watched, life.pipe, self._wakeup], [], [], TURN_S)
                self._pet_watchdog()
                self._pass_signals_on(life.process)
                if life.pipe in ready:
                    self._hear(life)
                if watched in ready:
                    return ""
                if life.hangs(time.monotonic(), self._hang_after_s):
                    self._kill(life.process)
                    return f"no sign of life for {self._hang_after_s:.0f} s"
        finally:
            os.close(watched)

    def _hear(self, life: Life) -> None:
        signs = os.read(life.pipe, 4096)
        if not signs:  # it closed its end: it is dying, or will be found hanging
            time.sleep(0.05)
            return
        life.beat_at = time.monotonic()
        if heartbeat.READY in signs and not life.ready_at:
            life.ready_at = life.beat_at
            self._has_been_ready = True
            notify("READY=1", f"STATUS=Taking calls; started {self._starts} times.")

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGABRT makes it write down where every thread stands, SIGCONT wakes it for that."""
        _log.error("agent hangs; it is killed", agent_pid=process.pid)
        process.send_signal(signal.SIGABRT)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(DUMP_S)
        except subprocess.TimeoutExpired:
            process.kill()

    # --- signals -------------------------------------------------------------------------------

    def _pass_signals_on(self, process: subprocess.Popen[bytes] | None) -> None:
        """Every signal to stop becomes one SIGTERM; Ctrl-C, which the terminal sends to all of us,
        reaches the agent this way alone."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        while self._signals:
            self._signals.pop()
            self._is_stopping = True
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_stopping and (left := until - time.monotonic()) > 0:
            select.select([self._wakeup], [], [], min(left, TURN_S))
            self._pet_watchdog()
            self._pass_signals_on(None)

    def _pet_watchdog(self) -> None:
        if self._pets_watchdog:
            notify("WATCHDOG=1")

    # --- what a killed agent wrote down ----------------------------------------------------------

    def _open_dump(self) -> tuple[Path | None, int | None]:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = self._diagnostics / f"agent-{moment}.txt"
        try:
            self._diagnostics.mkdir(parents=True, exist_ok=True, mode=0o700)
            return path, os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError:  # the agent will say what is wrong with the data folder
            return None, None

    def _keep_dump(self, life: Life) -> None:
        if life.dump is None:
            return
        try:
            if life.dump.stat().st_size == 0:
                life.dump.unlink()
                return
            _log.error("the agent wrote down where it stood", file=str(life.dump))
            for old in sorted(self._diagnostics.glob("agent-*.txt"))[:-KEPT_DUMPS]:
                old.unlink()
        except OSError as problem:
            _log.warning("dump not kept", why=str(problem))


def _described(status: int) -> str:
    return f"exit status {status}" if status > 0 else f"signal {-status}"


def command_line(hang_after_s: float, diagnostics: Path, level: str, style: str) -> list[str]:
    """What `ivr serve` becomes, with its own arguments at the end."""
    return [
        *(sys.executable, "-m", "ivr.watch.supervisor"),
        f"--hang-after-s={hang_after_s}",
        f"--diagnostics={diagnostics}",
        f"--log-level={level}",
        f"--log-format={style}",
        "--",
        *sys.argv[1:],
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ivr.watch.supervisor", description=__doc__)
    parser.add_argument("--hang-after-s", type=float, required=True)
    parser.add_argument("--diagnostics", type=Path, required=True)
    parser.add_argument("--log-level", required=True)
    parser.add_argument("--log-format", required=True)
    parser.add_argument("arguments", nargs="+", help="of ivr")
    given = parser.parse_args()
    telemetry.configure(given.log_level, given.log_format)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what people said
    command = (sys.executable, "-m", "ivr", *given.arguments)
    return Supervisor(command, given.hang_after_s, given.diagnostics).run()


if __name__ == "__main__":
    sys.exit(main())
