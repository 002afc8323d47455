"""Put a studio recording in place of a prompt."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from ivr.dialogue import listing, sound
from ivr.dialogue.listing import Entry
from ivr.dialogue.sound import Samples
from ivr.errors import InputError

LONGEST_S: Final = 60.0


def replace_prompt(
    folder: Path,
    prompt: str,
    language: str,
    channels: Sequence[Samples],
    text: str | None = None,
) -> Entry:
    """Trim and level a recording, check it, write it, list it. The file that was there is kept as
    ``ID.wav.bak``. Nothing is changed when the recording is not good.

    Args:
        channels: 16-bit samples at 8 kHz; two channels become their mean.
        text: what is said; None: what is listed.

    Raises:
        InputError: there is no such prompt, or the recording has faults; ``why`` lists them.
        EnvironmentProblem: the listing or a file cannot be read or written.
    """
    entries = listing.read(folder)
    known = next((e for e in entries if (e.id, e.language) == (prompt, language)), None)
    if known is None:
        raise InputError(
            f"There is no prompt '{prompt}' in language '{language}'.",
            why=f"{folder / listing.LISTING} does not list it",
            remedy="`ivr prompts list` shows the ids.",
        )
    mixed = np.mean(np.stack(channels), axis=0).astype(np.int16)
    edge_s = sound.WORD_EDGE_S if known.is_word else sound.EDGE_S
    samples = sound.levelled(sound.trimmed(mixed, edge_s))
    said = known.text if text is None else text
    wrong = list(sound.sound_faults(samples, said))
    if _is_clipped(mixed):
        wrong.append("it is clipped: its loudest parts are cut off")
    if wrong:
        raise InputError(
            f"The recording is not good enough for '{prompt}'.",
            why="; ".join(wrong),
            remedy=f"Record it again in a quiet room; the text is: {said}",
        )
    content, path = sound.as_wav(samples), known.path(folder)
    if path.exists():
        listing.replace_file(path.with_suffix(".wav.bak"), path.read_bytes())
    listing.replace_file(path, content)
    new = replace(
        known,
        text=said,
        voice=listing.RECORDED,
        sha256=hashlib.sha256(content).hexdigest(),
        duration_s=len(samples) / sound.RATE_HZ,
    )
    listing.write(folder, [new if entry is known else entry for entry in entries])
    return new


def _is_clipped(samples: Samples) -> bool:
    """Several samples in a row at the end of the scale: no voice does that."""
    at_end = np.abs(samples.astype(np.int32)) >= 32700
    return bool(np.any(at_end[:-2] & at_end[1:-1] & at_end[2:])) if len(samples) > 2 else False
