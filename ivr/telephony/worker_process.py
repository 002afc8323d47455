"""One worker process from the pool's side: start it, talk to it, notice when it is gone."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable

from ivr.errors import EnvironmentProblem, TelephonyError
from ivr.telephony.channel import BrokenChannel, Decoder, Message, encode
from ivr.telephony.worker_config import WorkerConfig

START_TIMEOUT_S = 20.0
SILENCE_IS_DEATH_S = 10.0
"""A worker says every second that its loop turns. One that hangs holds calls it does not record;
it is killed like one that crashed."""
STOP_TIMEOUT_S = 5.0
MAX_UNREAD_BYTES = 1 << 20


class WorkerProcess:
    """A running worker. ``port`` is the one it listens on."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._early: list[Message] = []
        self.port = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """As of ``asyncio``: negative is a signal; None while it lives."""
        return self._process.returncode

    @classmethod
    async def spawn(cls) -> "WorkerProcess":
        """Start a worker that has everything loaded and waits to be told its port.

        Raises:
            TelephonyError: it did not come up.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ivr.telephony.worker",
                "--fd",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = cls(process, reader, writer)
        await worker._starting(worker._until("standing_by"))
        return worker

    async def configure(self, config: WorkerConfig) -> None:
        """Tell it its port and wait until it listens.

        Raises:
            EnvironmentProblem: its port is taken.
            TelephonyError: it did not come up.
        """
        self.send(config.as_message())
        ready = await self._starting(self._until("ready", config.bind, config.port))
        self.port = ready["port"]

    async def _starting(self, step: Awaitable[Message]) -> Message:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await step
        except BaseException as problem:  # tidied up, then raised again
            await self.kill()
            if isinstance(problem, TimeoutError):
                raise _not_started("it did not answer in time") from problem
            raise

    def send(self, message: Message) -> None:
        """Hand a command over; never waits. A worker that reads nothing is given up."""
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._writer.transport.abort()
            return
        self._writer.write(encode(message))

    async def messages(self) -> AsyncIterator[Message]:
        """Facts, until the worker is gone, silent or incomprehensible."""
        for message in self._early:
            yield message
        while True:
            try:
                async with asyncio.timeout(SILENCE_IS_DEATH_S):
                    messages = await self._read()
            except (TimeoutError, ConnectionError, BrokenChannel):
                return
            if messages is None:
                return
            for message in messages:
                yield message

    async def stop(self) -> None:
        """Ask it to say goodbye; kill it when it does not."""
        self.send({"type": "stop"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End the process for certain and collect it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._writer.close()
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            await self._writer.wait_closed()

    async def _read(self) -> list[Message] | None:
        data = await self._reader.read(1 << 16)
        return self._decoder.feed(data) if data else None

    async def _until(self, kind: str, bind: str = "", port: int = 0) -> Message:
        """The first message of a kind; what follows it is kept for ``messages``."""
        while True:
            messages = await self._read()
            if messages is None:
                raise _not_started(f"it ended with status {await self._process.wait()}")
            for index, message in enumerate(messages):
                if message["type"] == kind:
                    self._early += messages[index + 1 :]
                    return message
                if message["type"] == "failed":
                    raise _failed(bind, port, message)
                self._early.append(message)


def _failed(bind: str, port: int, message: Message) -> EnvironmentProblem | TelephonyError:
    if message["kind"] == "port":
        return EnvironmentProblem(
            f"SIP port {port} on {bind} cannot be opened.",
            why=str(message["detail"]),
            remedy=f"Find who listens there (`ss -ulpn 'sport = :{port}'`) and stop it, "
            "or choose another sip.port; 0 takes a free one.",
        )
    return _not_started(str(message["detail"]))


def _not_started(why: str) -> TelephonyError:
    return TelephonyError(
        "A SIP worker did not start.",
        why=why,
        remedy="Check sip.bind; `python -c 'import pjsua2'` must succeed in the same environment.",
    )
