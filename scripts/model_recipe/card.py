"""The model card: what the model is, from the figures that the evaluation stored."""

from pathlib import Path

from ivr.recognition.model import digest
from model_recipe.evaluation import table

HUMAN_NOTE = "human_speech.md"  # beside the card's template: a measurement that cannot be repeated

_CARD = """\
# vosk-model-vi-ivr-demo-0.1

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

`scripts/build_model` made it, with its defaults: 36 hours of speech (seed 1) by espeak-ng in the
three dialects and {train_voices} voice variants, over simulated telephone lines (rooms, bands,
noise, A-law, µ-law, GSM 06.10, lost packets); 40 cepstra and Kaldi's pitch per 10 ms; {steps}
steps of frame cross-entropy with the tones as a second task; a trigram over the tuning half of
the project's written calls (`data/dialogues`), {sentences} sentences of its own templates
({shares})
and the compounds of pyvi's word list. Training is cut by time as well as by steps, so a rebuild
gives a like model, not the same bytes.
`docs/speech-model.md` in the project tells more.

## Error rates on synthetic speech

Voices of the test set ({test_voices})
take no part in training or tuning, and its sentences are not in the language-model text. Settings
were chosen on the tune set (other voices, other sentences); the test set was run twice: once before
and once (this table) after a setting that cuts the delay of results from 1.1 to 0.4 s was chosen on
the tune set. `scripts/build_model evaluate` prints the table; `{figures_file}` holds the counts.
"near" are harmless sentences that sound like the phrases (the text holds the same sound-alikes in
other sentences); "random" are random syllables without sentence context, over telephone lines;
"tones ignored" compares syllables without tones. There was one training run, so small differences
mean nothing.

{table}

Real-time factor on one core: {rtf}. The voices are variants of three base voices, and the test
lines come from the simulator that made the training lines: both flatter the model.

## People

{human}

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


def write_card(path: Path, figures: dict[str, object], facts: dict[str, str]) -> None:
    """Write the card of a model directory."""
    human = (Path(__file__).parent / "text" / HUMAN_NOTE).read_text(encoding="utf-8").strip()
    text = _CARD.format(
        digest=digest(path.parent),
        table=table(figures),
        rtf=figures["real_time_factor"],
        human=human,
        **facts,
    )
    path.write_text(text, encoding="utf-8")
