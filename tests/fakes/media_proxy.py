"""A real rtpengine (apt: rtpengine-daemon) in user space, and its ng control protocol.

Own bencode, twenty lines: the protocol wants nothing else of a library.
"""

import asyncio
import itertools
import shutil
import socket
import time
from dataclasses import dataclass
from typing import Any

PROGRAM = shutil.which("rtpengine")
_cookies = itertools.count(1)


def bencode(value: Any) -> bytes:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    pairs = (bencode(key) + bencode(item) for key, item in sorted(value.items()))
    return b"d" + b"".join(pairs) + b"e"


def bdecode(data: bytes) -> Any:
    return _read(data, 0)[0]


def _read(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _read(data, at)
            items.append(item)
        found = items if kind == b"l" else dict(zip(items[::2], items[1::2], strict=True))
        return found, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end].decode("utf-8", "replace"), end


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MediaProxy:
    """``async with MediaProxy.start() as proxy: await proxy.ask("ping")``"""

    process: asyncio.subprocess.Process
    control: int

    @classmethod
    async def start(cls, port_min: int = 37_000, port_max: int = 37_400) -> "MediaProxy":
        assert PROGRAM is not None, "apt install rtpengine-daemon (requirements/apt-test.txt)"
        control = free_port()
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "--config-file=none",
            "--foreground",
            "--log-stderr",
            "--log-level=3",
            "--table=-1",
            "--num-threads=2",
            "--interface=127.0.0.1",
            f"--listen-ng=127.0.0.1:{control}",
            f"--port-min={port_min}",
            f"--port-max={port_max}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        proxy = cls(process, control)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and process.returncode is None:
            try:
                async with asyncio.timeout(0.5):
                    await proxy.ask("ping")
                return proxy
            except (TimeoutError, OSError):  # nobody listens yet
                await asyncio.sleep(0.05)
        await proxy.stop()
        raise AssertionError("rtpengine does not answer")

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()

    async def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """One command and its answer; names may be written with ``_`` for ``-``."""
        loop = asyncio.get_running_loop()
        cookie = f"c{next(_cookies)}"
        fields = {name.replace("_", "-"): value for name, value in values.items()}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            await loop.sock_connect(sender, ("127.0.0.1", self.control))
            await loop.sock_sendall(
                sender, f"{cookie} ".encode() + bencode({"command": command, **fields})
            )
            async with asyncio.timeout(5):
                answer = await loop.sock_recv(sender, 65_535)
        found: dict[str, Any] = bdecode(answer.partition(b" ")[2])
        assert found["result"] in {"ok", "pong"}, found
        return found
