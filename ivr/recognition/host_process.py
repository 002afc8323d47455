"""The main process's side of the recognition host: starts it, starts it anew, connects to it."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ivr.errors import RecognitionError
from ivr.recognition import protocol
from ivr.recognition.model import ModelInfo
from ivr.recognition.protocol import Kind, Opening, Report
from ivr.settings import PROJECT_ROOT, RecognitionSettings
from ivr.telemetry import logger

START_S = 120.0
"""A big model from a slow disk takes tens of seconds."""
RESTART_S = (0.0, 0.5, 2.0, 5.0)
"""Waits before the first, second, … new start in a row; the last one stays."""
NICENESS = 5
"""Recording must never wait for recognition."""
SOUND_S = 10.0
"""A host that ran so long was sound: the next start is the first again."""
CONNECT_RETRY_S = 0.05

_log = logger("ivr.recognition")


class Link:
    """One connection to a recognition process: one leg."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send_audio(self, offset: int, pcm: bytes) -> None:
        """Raises:
        ConnectionError: the process is gone.
        """
        self._writer.write(protocol.audio(offset, pcm))
        await self._writer.drain()

    async def send(self, kind: Kind) -> None:
        self._writer.write(protocol.message(kind))
        await self._writer.drain()

    async def open(self, opening: Opening) -> None:
        self._writer.write(protocol.opening(opening))
        await self._writer.drain()

    async def report(self) -> Report:
        """The next report.

        Raises:
            ConnectionError: the process is gone.
            RecognitionError: the recogniser gave this leg up.
        """
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the recognition process is gone")
        report = protocol.decode(line)
        if report.error:
            raise RecognitionError(
                report.error["what"], why=report.error["why"], remedy=report.error["remedy"]
            )
        return report

    def close(self) -> None:
        self._writer.close()


class HostProcess:
    """Args:
    settings: see `ivr.settings.RecognitionSettings`.
    model: as checked; names the engine.
    niceness: of the host and its children, see nice(2).
    """

    def __init__(
        self, settings: RecognitionSettings, model: ModelInfo, niceness: int = NICENESS
    ) -> None:
        self._settings = settings
        self._niceness = niceness
        self._model = model
        self.processes = settings.processes or os.cpu_count() or 1
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._folder: Path | None = None
        self._ready = asyncio.Event()
        self._legs = [0] * self.processes
        self.deaths = 0
        """Processes that died or hung, and were started anew."""

    @property
    def pid(self) -> int | None:
        """Of the host; its children recognise."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Raises:
        RecognitionError: the model cannot be loaded.
        """
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise(), name="recognition-host")

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        await self._end_process()
        self._forget_folder()

    async def connect(self, opening: Opening) -> tuple[Link, int]:
        """A link to the process with the fewest legs; waits while the host is started anew.

        Returns:
            The link and the number of its process; give both to `release`.
        """
        while True:
            await self._ready.wait()
            number = min(range(self.processes), key=self._legs.__getitem__)
            try:
                reader, writer = await asyncio.open_unix_connection(f"{self._address}.{number}")
                link = Link(reader, writer)
                await link.open(opening)
            except OSError:
                # The host died and its end was not seen yet; its successor has another address.
                await asyncio.sleep(CONNECT_RETRY_S)
                continue
            self._legs[number] += 1
            return link, number

    def release(self, link: Link, number: int) -> None:
        link.close()
        self._legs[number] -= 1

    @property
    def _address(self) -> str:
        return f"{self._folder}/ear"

    async def _spawn(self) -> None:
        self._forget_folder()
        # Not below the data folder: a socket's path may have 107 characters only.
        self._folder = Path(tempfile.mkdtemp(prefix="ivr-ear-"))
        settings = self._settings
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ivr.recognition.host",
            f"--engine={self._model.engine}",
            f"--model={self._model.path}",
            f"--niceness={self._niceness}",
            f"--socket={self._address}",
            f"--processes={self.processes}",
            f"--vad-mode={settings.vad_mode}",
            f"--preroll-s={settings.preroll_s}",
            f"--hangover-s={settings.hangover_s}",
            f"--partial-every-s={settings.partial_every_s}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=PROJECT_ROOT,
            start_new_session=True,  # Ctrl-C is for the main process, which then ends the calls
        )
        try:
            await asyncio.wait_for(self._until_ready(self._process), START_S)
        except TimeoutError as problem:
            await self._end_process()
            self._forget_folder()
            raise RecognitionError(
                f"The model {self._model.name} did not load in {START_S:.0f} s.",
                why="the recognition process gave no answer",
                remedy="Try a smaller model, or look for a machine short of memory.",
            ) from problem
        except BaseException:  # tidied up, then raised again
            await self._end_process()
            self._forget_folder()
            raise
        self._ready.set()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        line = await process.stdout.readline()
        answer = json.loads(line) if line else {}
        if "ready" in answer:
            return
        if "error" in answer:
            error = answer["error"]
            raise RecognitionError(error["what"], why=error["why"], remedy=error["remedy"])
        assert process.stderr is not None
        said = (await process.stderr.read()).decode(errors="replace").strip()
        raise RecognitionError(
            f"The recogniser died while it loaded the model {self._model.name}.",
            why=said.splitlines()[-1] if said else f"exit status {await process.wait()}",
            remedy="The model is broken or of another kind: fetch it again or choose another.",
        )

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            if self._process is not None:
                start = loop.time()
                await self._follow(self._process)
                if loop.time() - start > SOUND_S:
                    failures = 0
            await self._end_process()
            await asyncio.sleep(RESTART_S[min(failures, len(RESTART_S) - 1)])
            failures += 1
            try:
                await self._spawn()
            except (RecognitionError, OSError) as problem:
                _log.error("recognition_host_failed", problem=str(problem))

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Passes on what the host and its children say until the host ends."""
        assert process.stderr is not None
        while said := await process.stderr.read(4096):
            for line in said.decode(errors="replace").splitlines():
                self.deaths += line.startswith(protocol.PROCESS_ENDED)
                _log.warning("recognition_host_says", line=line)
        self.deaths += 1
        _log.error("recognition_host_ended", status=await process.wait())

    async def _end_process(self) -> None:
        self._ready.clear()
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # the host ends with its input, and takes its children along
        try:
            await asyncio.wait_for(process.communicate(), 5.0)
        except TimeoutError:
            process.kill()
            await process.communicate()
        self._process = None

    def _forget_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
