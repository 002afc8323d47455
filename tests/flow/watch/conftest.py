"""One `ivr serve` under its supervisor for all tests of this folder, on a small disk of its own."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import soundfile

from ivr.settings import PROJECT_ROOT
from ivr.watch.control_socket import ask
from tests.fakes.serving_house import (
    IVR,
    START_S,
    RunningServe,
    read_log,
    settings_text,
    write_short_prompts,
)

EXTRA = """
[recognition]
second_pass = "off"
processes = 1

[media]
min_free_mb = 12

[watch]
hang_after_s = 6.0
silent_leg_s = 1.0

[metrics]
port = {port}
"""


@dataclass
class WatchedServe(RunningServe):
    """With its control socket and its metrics."""

    metrics_port: int = 0

    async def told(self, **request: object) -> dict[str, Any]:
        """What the agent answers on its socket; empty while none does."""
        with contextlib.suppress(Exception):  # between two agents nobody answers
            return await asyncio.to_thread(ask, self.data, request or {"do": "status"})
        return {}

    async def becomes(self, what: Any, seconds: float = 60.0) -> dict[str, Any]:
        """Poll the status until ``what(status)`` is true."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            told = await self.told()
            if told and what(told):
                return told
            await asyncio.sleep(0.1)
        raise AssertionError(f"it did not happen: {told}\n" + "\n".join(self.lines[-30:]))

    async def get(self, path: str, accept: str = "") -> tuple[int, str]:
        return await asyncio.to_thread(self._get, path, accept)

    def _get(self, path: str, accept: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        request = urllib.request.Request(url, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read().decode()

    @property
    def port(self) -> int:
        return self.ports[-1]  # each agent listens on a new one

    def uri(self, access: str = "an") -> str:
        return f"sip:{access}@127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of forty megabytes. Mounting wants root, as CI has."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(
    disk: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WatchedServe]:
    folder = tmp_path_factory.mktemp("house")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    prompts = write_short_prompts(folder / "prompts")
    settings = folder / "settings.toml"
    text = settings_text(disk / "data", prompts, EXTRA.format(port=port))
    settings.write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(*IVR, "--settings", str(settings), "serve"),
        cwd=PROJECT_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    running = WatchedServe(process, disk / "data", settings, [], metrics_port=port)
    reader = asyncio.create_task(read_log(running))
    await running.becomes(lambda told: told["takes_calls"], START_S)
    yield running
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    await reader


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of the demonstration's impersonation call, as the WAV a caller plays."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    samples, rate_hz = soundfile.read(PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac", dtype="int16")
    soundfile.write(path, samples[: 12 * rate_hz], rate_hz, "PCM_16")
    return path
