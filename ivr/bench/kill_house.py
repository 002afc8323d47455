"""`ivr serve` in processes of its own, to be killed at any moment and started again."""

import asyncio
import os
import signal
import socket
import sys
import tomllib
from pathlib import Path
from typing import Final, Self

import httpx
import numpy as np
import soundfile

from ivr.bench.kill_call import HERE
from ivr.bench.live import AUDIO
from ivr.bench.long_call import encode_alaw
from ivr.settings import PROJECT_ROOT, Settings

ACCESS: Final = "an"
START_S: Final = 900.0
SPOKEN_S: Final = ((18.7, 21.9), (29.2, 32.8))
"""Of the demonstration's call: who calls and what they want, enough for a report at the threshold
below."""

_SETTINGS: Final = """
[[subscribers]]
access = "{access}"
number = "+84900000001"
mode = "listen"

[sip]
port = {sip}

[recognition]
second_pass = "off"
processes = 1

[verdict]
judge = "rules"
live_threshold = 0.3
filing_threshold = 0.5

[reporting]
recipients = "{root}/ivr/demo/recipients.toml"
poll_s = 0.2
lease_s = 10.0

[smtp]
host = "{here}"
port = {smtp}
security = "none"

[metrics]
port = {metrics}

[storage]
root = "{data}"

[log]
format = "json"
"""


class Nursery:
    """``async with``: where agents are started from, with everything imported already."""

    async def __aenter__(self) -> Self:
        self._turn = asyncio.Lock()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ivr.bench.kill_nursery"),
            cwd=PROJECT_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def start(self, settings: Path, log: Path) -> int:
        """An agent with these settings; returns its process id, which is its group's too."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._turn:
            process.stdin.write(f"{settings}\t{log}\n".encode())
            return int(await process.stdout.readline())


class KillHouse:
    """One data folder, one house on it at a time.

    Args:
        folder: for data, settings and the log.
        smtp: port of the mail sink that the reports go to.
    """

    def __init__(self, folder: Path, smtp: int, nursery: Nursery) -> None:
        self.data = folder / "data"
        self.settings_file = folder / "settings.toml"
        self.log = folder / "house.log"
        self.sip, self.metrics = free_port(), free_port()
        self._nursery = nursery
        text = _SETTINGS.format(
            access=ACCESS,
            sip=self.sip,
            metrics=self.metrics,
            smtp=smtp,
            data=self.data,
            here=HERE,
            root=PROJECT_ROOT,
        )
        self.settings_file.write_text(text, encoding="utf-8")
        self.is_supervised = False
        self._leader = 0

    @property
    def settings(self) -> Settings:
        """The same as the house has."""
        text = self.settings_file.read_text(encoding="utf-8")
        return Settings(_env_prefix="IVR_BENCH_", **tomllib.loads(text))

    async def start(self, *, supervised: bool = False) -> None:
        """Start it if it does not run, and wait until it takes calls: what was left is sealed
        then.

        Args:
            supervised: by `ivr serve` as a person starts it; else the agent alone, which is there
                sooner.

        Raises:
            TimeoutError: it does not get ready.
        """
        if not self._leader:
            self.is_supervised = supervised
            if supervised:
                self._leader = await self._start_supervisor()
            else:
                self._leader = await self._nursery.start(self.settings_file, self.log)
        try:
            await self._until_ready()
        except TimeoutError:
            said = await asyncio.to_thread(self.log.read_text, encoding="utf-8")
            raise TimeoutError(f"the house did not start; it said: {said[-2000:]}") from None

    async def _start_supervisor(self) -> int:
        with self.log.open("ab") as log:
            self._supervisor = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ivr", "--settings", str(self.settings_file), "serve"),
                cwd=PROJECT_ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        return self._supervisor.pid

    async def _until_ready(self) -> None:
        async with asyncio.timeout(START_S), httpx.AsyncClient() as client:
            while not await _is_ready(client, f"http://{HERE}:{self.metrics}/readyz"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def kill(self, *, agent_alone: bool) -> None:
        """SIGKILL: all of its processes, or of a supervised house the agent alone, which is then
        replaced."""
        agent = _child_of(self._leader) if agent_alone and self.is_supervised else None
        if agent is not None:
            os.kill(agent, signal.SIGKILL)
            await _gone(agent)
        else:
            await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Politely."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        leader, self._leader = self._leader, 0
        if leader:
            os.killpg(leader, how)
            await (self._supervisor.wait() if self.is_supervised else _gone(leader))


async def _gone(pid: int) -> None:
    while not _is_dead(pid):  # noqa: ASYNC110 - another's child
        await asyncio.sleep(0.01)


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False


def _child_of(pid: int) -> int | None:
    """The agent of a supervisor; None between two."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    alive = [int(child) for child in text if not _is_dead(int(child))]
    return alive[0] if alive else None


def _is_dead(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in ("Z", "X")


def free_port() -> int:
    """A port that was free a moment ago, for UDP and TCP."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind((HERE, 0))
        port = int(stream.getsockname()[1])
        datagram.bind((HERE, port))
        return port


def spoken_frames() -> list[bytes]:
    """What the caller says, in packets of 20 ms A-law."""
    samples, rate_hz = soundfile.read(AUDIO, dtype="int16")
    spans = [samples[int(a * rate_hz) : int(b * rate_hz)] for a, b in SPOKEN_S]
    sound = encode_alaw(np.concatenate(spans)[:: rate_hz // 8000])
    return [sound[at : at + 160] for at in range(0, len(sound) - 159, 160)]
