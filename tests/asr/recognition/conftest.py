"""The built-in model, the committed clips, and a running recognition."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.recognition.client import Recognition
from ivr.recognition.engine import Engine
from ivr.recognition.lane import LaneSettings
from ivr.recognition.model import ModelInfo, open_model
from ivr.recognition.vosk_engine import VoskEngine
from ivr.settings import PROJECT_ROOT, RecognitionSettings

CLIPS = PROJECT_ROOT / "tests/assets/speech-recognition"
DEADLINE_S = 20.0


@pytest.fixture(scope="session")
def model_path() -> Path:
    return PROJECT_ROOT / "asr_models/vosk-model-vi-ivr-demo-0.1"


@pytest.fixture(scope="session")
def model(model_path: Path) -> ModelInfo:
    return open_model(model_path)


@pytest.fixture(scope="session")
def engine(model: ModelInfo) -> Engine:
    return VoskEngine(model)


@pytest.fixture(scope="session")
def lane_settings() -> LaneSettings:
    given = RecognitionSettings()
    return LaneSettings(given.vad_mode, given.preroll_s, given.hangover_s, given.partial_every_s)


@pytest.fixture(scope="session")
def clip() -> Callable[[str], np.ndarray]:
    def load(name: str) -> np.ndarray:
        samples, rate_hz = soundfile.read(CLIPS / f"{name}.flac", dtype="int16")
        assert rate_hz == 8000
        return samples

    return load


@pytest.fixture(scope="session")
def spans() -> dict[str, list[tuple[str, float, float]]]:
    return json.loads((CLIPS / "spans.json").read_text(encoding="utf-8"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recognition(model_path: Path) -> AsyncIterator[Recognition]:
    async with Recognition(RecognitionSettings(model=model_path, processes=1)) as running:
        yield running


def frames(
    samples: np.ndarray, leg: LegName = LegName.CALLER, offset: int = 0, size: int = 160
) -> list[AudioFrame]:
    return [
        AudioFrame(leg, offset + at, 8000, samples[at : at + size].astype("<i2").tobytes())
        for at in range(0, len(samples), size)
    ]


async def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.01)


def children_of(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
