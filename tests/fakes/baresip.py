"""baresip (apt: baresip-core) as a telephone that is told what to do while it runs.

Commands and events go over its own control socket: JSON in netstrings (module ``ctrl_tcp``).
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:0
call_local_timeout 30
audio_player aufile,/dev/null
snd_path {folder}
audio_source aufile,{sound}
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports 21000-21200
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
START_S = 10.0


@dataclass
class Baresip:
    """One telephone; made by ``telephone``."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    answers: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)

    async def read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # it has ended
            while True:
                length = int((await self.reader.readuntil(b":"))[:-1])
                told = json.loads((await self.reader.readexactly(length + 1))[:-1])
                if told.get("event"):
                    self.events.append(told)
                else:
                    self.answers.put_nowait(told)

    async def do(self, command: str, parameters: str = "") -> str:
        """One command of the list that ``help`` shows; returns what it says."""
        asked = json.dumps({"command": command, "params": parameters}).encode()
        self.writer.write(b"%d:%s," % (len(asked), asked))
        async with asyncio.timeout(5):
            answer = await self.answers.get()
        assert answer["ok"], answer
        return str(answer["data"])

    def has(self, kind: str) -> bool:
        """Whether such an event came, e.g. ``CALL_ESTABLISHED``."""
        return any(event["type"] == kind for event in self.events)

    @property
    def heard(self) -> Path:
        """WAV of what the other side of its only call said."""
        (found,) = self.folder.glob("dump-*dec.wav")
        return found

    def told(self, kind: str) -> str:
        """What the last such event said."""
        return str([event["param"] for event in self.events if event["type"] == kind][-1])


@asynccontextmanager
async def telephone(folder: Path, sound: Path, codec: str = "pcma") -> AsyncIterator[Baresip]:
    """A telephone that says ``sound`` (WAV, 8 kHz, mono) in each call."""
    folder.mkdir()  # noqa: ASYNC240 - a moment
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        control = probe.getsockname()[1]
    (folder / "accounts").write_text(
        f"<sip:0912345678@127.0.0.1>;regint=0;audio_codecs={codec};ptime=20\n"
    )
    (folder / "config").write_text(CONFIG.format(folder=folder, sound=sound, control=control))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    reading = None
    try:
        reader, writer = await _connected(process, control)
        phone = Baresip(reader, writer, folder)
        reading = asyncio.create_task(phone.read())
        yield phone
        writer.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


async def _connected(
    process: asyncio.subprocess.Process, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:  # it does not listen yet
                await asyncio.sleep(0.05)
    raise AssertionError(f"baresip ended with {process.returncode}")
