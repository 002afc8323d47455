"""A running `ivr serve` in a process of its own."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from ivr.settings import PROJECT_ROOT
from tests.fakes.serving_house import (
    IVR,
    SHORT_DIALOGUE,
    START_S,
    RunningServe,
    read_log,
    settings_text,
    write_short_prompts,
)


@pytest.fixture(scope="session")
def short_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_prompts(tmp_path_factory.mktemp("prompts"))


@pytest.fixture
async def serve(tmp_path: Path, short_prompts: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start `ivr serve`; call the fixture with extra settings and environment."""
    started: list[RunningServe] = []

    async def start(
        extra: str = "", data: Path | None = None, dialogue: Path = SHORT_DIALOGUE
    ) -> RunningServe:
        data = data or tmp_path / "data"
        settings = tmp_path / f"settings-{len(started)}.toml"
        text = settings_text(data, short_prompts, extra, dialogue)
        settings.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *IVR,
            "--settings",
            str(settings),
            "serve",
            cwd=PROJECT_ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        running = RunningServe(process, data, settings, [])
        started.append(running)
        reader = asyncio.create_task(read_log(running))
        try:
            await running.until(lambda: running.ports, START_S)
        finally:
            readers.append(reader)
        return running

    readers: list[asyncio.Task[None]] = []
    yield start
    for running in started:
        if running.process.returncode is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            await running.process.wait()
    for reader in readers:
        await reader


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """The first seconds of the demonstration's impersonation call, as the WAV a caller plays."""
    folder = tmp_path_factory.mktemp("speech")
    samples, rate_hz = soundfile.read(PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac", dtype="int16")

    def cut(seconds: float) -> Path:
        path = folder / f"{seconds:.1f}.wav"
        soundfile.write(path, samples[: int(seconds * rate_hz)], rate_hz, "PCM_16")
        return path

    return cut


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of six megabytes. Mounting wants root, as CI has."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
