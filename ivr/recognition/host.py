"""The recognition host: loads the engine and its model once, then forks processes that recognise.

``python -m ivr.recognition.host --model DIR --socket PATH --processes N …``, started by
`Recognition`. Process n listens on PATH.n. Forked processes share the model's memory; a Kaldi
assertion, which aborts a process, takes only that process's utterances with it. The host puts a
new one in its place, and also in the place of one that hangs. Standard input is a pipe of the
parent's: when it ends, the parent is gone, and so is the host. Standard output gets one JSON
line, ``ready`` or ``error``.
"""

import argparse
import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import IvrError
from ivr.recognition import engines, protocol
from ivr.recognition.engine import Engine
from ivr.recognition.lane import LaneSettings
from ivr.recognition.worker import Worker

SHORT_LIFE_S = 2.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One worker process.

    Args:
        pid: 0 while none runs.
        beat: read end of its pipe, -1 while none runs.
        started, seen: monotonic seconds of its fork and its last sign of life.
        short_lives: how often it died young in a row; each doubles the wait for the next.
        start_at: monotonic seconds at which the next is forked.
    """

    listener: socket.socket
    pid: int = 0
    beat: int = -1
    started: float = 0.0
    seen: float = 0.0
    short_lives: int = 0
    start_at: float = 0.0


class Host:
    """Keeps N workers alive until standard input ends."""

    def __init__(
        self, engine: Engine, settings: LaneSettings, socket_path: str, n: int, hang_s: float
    ) -> None:
        self._hang_s = hang_s
        self._engine = engine
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._paths = [Path(f"{socket_path}.{number}") for number in range(n)]
        self._children = [Child(_listen(path)) for path in self._paths]

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # else the children's collector would unshare every page it looks at
        for child in self._children:
            self._fork(child)
        self._selector.register(0, selectors.EVENT_READ, None)
        sys.stdout.write(json.dumps({"ready": True}) + "\n")
        sys.stdout.flush()
        try:
            while self._serve_once():
                pass
        finally:
            for child in self._children:
                if child.pid:
                    os.kill(child.pid, signal.SIGKILL)
                    os.waitpid(child.pid, 0)
            for path in self._paths:
                path.unlink(missing_ok=True)

    def _serve_once(self) -> bool:
        """Returns False when the parent is gone."""
        for key, _ in self._selector.select(0.1):
            child: Child | None = key.data
            signs = os.read(key.fd, 4096)
            if child is None:
                if not signs:
                    return False
            elif signs:
                child.seen = time.monotonic()
            else:
                self._bury(child)
        now = time.monotonic()
        for child in self._children:
            if child.pid and now - child.seen > self._hang_s:
                os.kill(child.pid, signal.SIGKILL)  # its pipe ends, and it is buried next time
            elif not child.pid and now >= child.start_at:
                self._fork(child)
        return True

    def _fork(self, child: Child) -> None:
        read_end, write_end = os.pipe()
        host = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_worker(child, read_end, write_end, host)
        os.close(write_end)
        child.pid, child.beat = pid, read_end
        child.started = child.seen = time.monotonic()
        self._selector.register(read_end, selectors.EVENT_READ, child)

    def _be_worker(self, child: Child, read_end: int, write_end: int, host: int) -> None:
        status = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == host:  # else it died before the line above
                os.close(read_end)
                os.close(0)
                for other in self._children:
                    if other.beat >= 0:
                        os.close(other.beat)
                Worker(self._engine, self._settings, child.listener, write_end).run()
        except BrokenPipeError:
            status = 0  # the host is gone
        except Exception:  # noqa: BLE001 - a forked child must never return into the host's code
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _bury(self, child: Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        now = time.monotonic()
        is_young = now - child.started < SHORT_LIFE_S
        child.short_lives = child.short_lives + 1 if is_young else 0
        child.start_at = now + (min(5.0, 0.1 * 2.0**child.short_lives) if is_young else 0.0)
        code = os.waitstatus_to_exitcode(status)
        sys.stderr.write(f"{protocol.PROCESS_ENDED} {child.pid} with {code}\n")
        self._selector.unregister(child.beat)
        os.close(child.beat)
        child.pid, child.beat = 0, -1


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(128)
    return listener


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ivr.recognition.host", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--engine", choices=(engines.VOSK, engines.VIET_ASR), default=engines.VOSK)
    parser.add_argument("--niceness", type=int, default=5)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--vad-mode", type=int, required=True)
    parser.add_argument("--preroll-s", type=float, required=True)
    parser.add_argument("--hangover-s", type=float, required=True)
    parser.add_argument("--partial-every-s", type=float, required=True)
    parser.add_argument(
        "--hang-s",
        type=float,
        default=15.0,
        help="a process that shows no life for so long is killed; one block takes milliseconds",
    )
    given = parser.parse_args(arguments)
    os.nice(given.niceness)
    settings = LaneSettings(
        vad_mode=given.vad_mode,
        preroll_s=given.preroll_s,
        hangover_s=given.hangover_s,
        partial_every_s=given.partial_every_s,
    )
    try:
        engine = engines.load(given.engine, given.model)
        # A graph that does not fit its network fails on this second of silence, not in a call.
        trial = engine.recogniser()
        trial.accept(bytes(2 * engine.info.rate_hz))
        trial.final()
    except IvrError as problem:
        sys.stdout.write(json.dumps({"error": problem.as_dict()}) + "\n")
        return problem.exit_code
    Host(engine, settings, given.socket, given.processes, given.hang_s).run()
    with contextlib.suppress(OSError):  # the parent made the folder, and removes it when it lives
        Path(given.socket).parent.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
