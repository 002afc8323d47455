"""Which engines there are, what each is before it is loaded, and loading one."""

from pathlib import Path
from typing import Final

from ivr.recognition import viet_asr_engine
from ivr.recognition.engine import Engine
from ivr.recognition.model import ModelInfo, open_model, vocabulary
from ivr.settings import RecognitionSettings, resolve

VOSK: Final = "vosk"
VIET_ASR: Final = viet_asr_engine.NAME


def describe(name: str, model: Path) -> ModelInfo:
    """What the engine would listen with; loads nothing. Blocking: reads the files whole.

    Args:
        name: ``vosk`` or ``viet-asr``.
        model: Vosk's model directory; viet-asr has its own weights.

    Raises:
        RecognitionError: the model is broken, or the engine is not installed.
    """
    return viet_asr_engine.describe() if name == VIET_ASR else open_model(model)


def load(name: str, model: Path) -> Engine:
    """Load it into this process; at most one engine a process.

    Raises:
        RecognitionError: see `describe`; or the library refuses.
    """
    if name == VIET_ASR:
        return viet_asr_engine.VietAsrEngine()
    from ivr.recognition.vosk_engine import VoskEngine  # only where Vosk is used

    return VoskEngine(open_model(model))


def words_of(info: ModelInfo) -> frozenset[str] | None:
    """The words it can put out; None when it spells words from pieces and so can say any."""
    return None if info.engine == VIET_ASR else vocabulary(info.path)


def second_engine(settings: RecognitionSettings) -> str | None:
    """Which engine listens again after a call; None: nobody does."""
    wanted = settings.second_pass
    if wanted == "auto":
        wanted = VIET_ASR if viet_asr_engine.is_installed() else "off"
    return None if wanted in ("off", settings.engine) else wanted


def in_use(settings: RecognitionSettings) -> ModelInfo:
    """What listens to calls by these settings; raises like `describe`."""
    return describe(settings.engine, resolve(settings.model))
