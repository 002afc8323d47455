"""The running agent's socket in the data folder: one JSON line asks, one answers.

Only the user who runs the agent may open it (mode 0600). A path longer than the 107 characters of
a Unix address is reached through the folder's descriptor.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ivr.errors import EnvironmentProblem, InputError

NAME = "control.sock"
LONGEST_LINE = 4096
LONGEST_ANSWER = 1 << 20
PATIENCE_S = 5.0
AT_ONCE = 8
"""Connections at once; a further one is closed unanswered."""

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's address, short whatever the folder's path."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def listening(folder: Path, handle: Handler) -> AsyncIterator[None]:
    """Answer until the end of the block.

    Raises:
        EnvironmentProblem: another agent runs on this folder, or no socket can be made there.
    """
    try:
        listener = _bind(folder)
    except OSError as problem:
        raise EnvironmentProblem(
            f"The control socket cannot be made in {folder}.",
            why=problem.strerror or str(problem),
            remedy="The data folder must lie on a local disk of this machine.",
        ) from problem
    places = asyncio.Semaphore(AT_ONCE)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not places.locked():
                async with places, asyncio.timeout(PATIENCE_S):
                    await _converse(reader, writer, handle)
        except (TimeoutError, ConnectionError, ValueError):
            return  # an asker that says nothing, too much, or goes away
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, sock=listener, limit=LONGEST_LINE)
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()


def _bind(folder: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(folder) as address:
            try:
                listener.bind(address)
            except OSError:
                if _is_alive(address):
                    raise EnvironmentProblem(
                        f"An agent already runs on the data folder {folder}.",
                        why="its control socket answers",
                        remedy="`ivr status` shows it; stop it, or name another data folder.",
                    ) from None
                (folder / NAME).unlink(missing_ok=True)  # left by one that was killed
                listener.bind(address)
            (folder / NAME).chmod(0o600)
        listener.listen(AT_ONCE)
    except BaseException:  # tidied up, then raised again
        listener.close()
        raise
    return listener


def _is_alive(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE_S)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler
) -> None:
    while line := await reader.readline():
        try:
            asked = json.loads(line)
        except ValueError:
            asked = None
        if isinstance(asked, dict):
            answer = await handle(asked)
        else:
            answer = {"error": "a request is one JSON object on one line"}
        writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        await writer.drain()


def ask(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the agent that runs on a data folder. Blocking.

    Raises:
        EnvironmentProblem: none runs there, or it does not answer.
        InputError: it does not know the request.
    """
    try:
        with (
            _short(folder) as address,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line,
        ):
            line.settimeout(PATIENCE_S)
            line.connect(address)
            line.sendall(json.dumps(dict(request)).encode() + b"\n")
            with line.makefile("rb") as reader:
                answer = json.loads(reader.readline(LONGEST_ANSWER))
    except (OSError, ValueError) as problem:
        raise EnvironmentProblem(
            f"No agent answers on the data folder {folder}.",
            why=str(problem),
            remedy="Start it with `ivr serve`, or name its folder with --data or --settings.",
        ) from problem
    if "error" in answer:
        raise InputError(
            "The running agent does not know the request.",
            why=str(answer["error"]),
            remedy="It may be another version than this command: restart it.",
        )
    return dict(answer)
