"""The model card: what the model is, from the figures that the evaluation stored."""

import tomllib
from pathlib import Path

from ivr.recognition.model import digest
from model_recipe.figures import table

CARD, FIGURES = "README.md", "evaluation.json"  # about the model, not of it
_NOTES = Path(__file__).parent / "text" / "notes_on_builds.toml"
_UNKNOWN_BUILD = {
    "making": "This build has no record of how its steps were run.",
    "test_runs": "This build has no record of how often the test set was run on it.",
    "people": "This build was not measured on people. Expect it to be useless for them.",
}

_CARD = """\
# {title}

A Vietnamese model for Vosk at 8 kHz, the telephone rate, for demonstrations and tests of `ivr`.
**It was trained on synthetic speech only, and every figure in the table was measured on synthetic
speech.** Do not expect these figures with people.

## What it is

- Kaldi nnet3 network ({parameters}), look-ahead graph (`HCLr.fst`, `Gr.fst`), {words}
  syllables as words in the canonical spelling of `ivr.spotting.syllable`, and `[unk]`.
- Feed it at 8 kHz and no other rate: Kaldi's pitch code aborts the process otherwise.
- Loans are spelled as they are heard: `ô tê pê` (OTP), `da lô` (Zalo), `vê en ai đi` (VNeID).
- Grammar lists work; put `"[unk]"` into every list, or ordinary talk comes out as the phrases.
- SHA-256 of the model (`python -m ivr.recognition.model DIRECTORY`): `{digest}`

## How it was made

The recipe of `scripts/build_model` made it: {hours} hours of speech (seed {seed}) by espeak-ng in
the three dialects and {train_voices} voice variants, over simulated telephone lines (rooms, bands,
noise, A-law, µ-law, GSM 06.10, lost packets); 40 cepstra and Kaldi's pitch per 10 ms; {steps}
steps of frame cross-entropy with the tones as a second task; a trigram over
the project's written calls (`data/dialogues`, all but the test part), {sentences} sentences of its
own templates ({shares})
and the compounds of pyvi's word list. Training is cut by time as well as by steps, so a rebuild
gives a like model, not the same bytes.
{making}
`docs/speech-model.md` in the project tells more.

## Error rates on synthetic speech

Voices of the test set ({test_voices})
take no part in training or tuning, and its sentences are not in the language-model text. Settings
were chosen on the tune set (other voices, other sentences). `scripts/build_model evaluate` prints
the table; `{figures_file}` holds the counts.
{test_runs}

"near" are harmless sentences that sound like the phrases (the text holds the same sound-alikes in
other sentences); "random" are random syllables without sentence context, over telephone lines;
"tones ignored" compares syllables without tones. There was one training run, so small differences
mean nothing.

{table}

Real-time factor on one core: {rtf}. The voices are variants of three base voices, and the test
lines come from the simulator that made the training lines: both flatter the model.

## People

{people}

## What it is not for

Not for transcribing people, not as evidence by itself, not as a measure of what `ivr` reaches with
a better model. Children, old and shaky voices, overlapping talk, mobile codecs, and English names
are unseen; the accents are caricatures. Put a model trained on people in its place for real calls:
any Vosk directory will do.

## Licence

GPL-3.0-or-later, like the project. espeak-ng (GPL-3.0-or-later) spoke the training speech, pyvi
(MIT, Viet-Trung Tran) gave the word list, and the file formats are those of Kaldi, OpenFst and Vosk
(Apache-2.0); none of their code is in this directory.
"""


def notes(sha256: str) -> dict[str, str]:
    """What is known of the build with this digest beyond its figures."""
    known = tomllib.loads(_NOTES.read_text(encoding="utf-8")).get(sha256, {})
    return {name: known.get(name, text) for name, text in _UNKNOWN_BUILD.items()}


def write_card(path: Path, figures: dict[str, object], facts: dict[str, str]) -> None:
    """Write the card of a model directory."""
    sha256 = digest(path.parent)
    text = _CARD.format(
        digest=sha256,
        table=table(figures),
        rtf=figures["real_time_factor"],
        figures_file=FIGURES,
        **notes(sha256),
        **facts,
    )
    path.write_text(text, encoding="utf-8")
