"""The one form of sound that goes into a call: 8 kHz mono 16-bit PCM in a WAV."""

import wave
from pathlib import Path

from ivr.errors import TelephonyError

PROMPT_RATE_HZ = 8000


def read_prompt(wav: Path) -> tuple[Path, float]:
    """Absolute path of a WAV and its length in seconds.

    Raises:
        TelephonyError: missing, unreadable, or not 8 kHz mono 16-bit PCM.
    """
    try:
        with wave.open(str(wav), "rb") as sound:
            form = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            frames = sound.getnframes()
    except (OSError, EOFError, wave.Error) as problem:
        raise TelephonyError(
            f"The sound file {wav} cannot be read.",
            why=str(problem) or type(problem).__name__,
            remedy="Check the path; prompts are checked by `ivr prompts verify`.",
        ) from problem
    if form != (PROMPT_RATE_HZ, 1, 2) or frames == 0:
        raise TelephonyError(
            f"The sound file {wav} has the wrong form.",
            why=f"{form[0]} Hz, {form[1]} channels, {8 * form[2]} bits, {frames} samples",
            remedy="Convert it: sox in.wav -r 8000 -c 1 -b 16 out.wav",
        )
    return wav.absolute(), frames / PROMPT_RATE_HZ
