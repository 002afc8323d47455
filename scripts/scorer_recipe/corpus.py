"""The dialogues to learn from, in groups that share an author, and their turns in runs."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.bench.verdict import Dialogue, read_dialogues
from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit
from ivr.spotting.sound import spelt_and_sounding
from ivr.spotting.spotter import Spotter
from ivr.spotting.tokens import utterances_from_turns
from ivr.verdict.wording import Piece, Reader

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "dialogues"
FIRST_AUTHOR = "first"  # the rulebook was made on this author's dialogues
TWINS = frozenset({"author-5"})
"""His ordinary calls are twins of his scams, alike to the first demand: they teach the difference,
but no mix of calls looks like that, so they do not set the levels."""
FIRST_FILES = ("tuning", *(f"practice-{n}" for n in range(1, 6)))

READER = Reader(spelt_and_sounding)


@dataclass(frozen=True, slots=True)
class Example:
    """A dialogue with what the recipe needs of it.

    Args:
        acts: for each of ``pieces``, what its turn does; None where nobody said so.
    """

    author: str
    dialogue: Dialogue
    pieces: tuple[Piece, ...]
    acts: tuple[frozenset[str] | None, ...]
    hits: tuple[PhraseHit, ...]

    @property
    def is_scam(self) -> bool:
        return self.dialogue.label == "scam"


def sources() -> list[tuple[str, Path]]:
    """(author, file), in a fixed order. The test part is not among them."""
    found = [(FIRST_AUTHOR, FOLDER / f"{name}.jsonl") for name in FIRST_FILES]
    training = sorted((FOLDER / "training").glob("*.jsonl"))
    return found + [(path.stem, path) for path in training]


def read_all(spotter: Spotter) -> list[Example]:
    return [one for author, path in sources() for one in read(author, path, spotter)]


def read(author: str, path: Path, spotter: Spotter) -> Iterator[Example]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    for dialogue, raw in zip(read_dialogues(path), lines, strict=True):
        utterances = utterances_from_turns(dialogue.turns)
        pieces: list[Piece] = []
        acts: list[frozenset[str] | None] = []
        for utterance, turn in zip(utterances, raw["turns"], strict=True):
            cut = READER.pieces([utterance])
            pieces += cut
            acts += [frozenset(turn["acts"]) if "acts" in turn else None] * len(cut)
        yield Example(author, dialogue, tuple(pieces), tuple(acts), spotter.spot(utterances))


class Mishearing:
    """Loses and exchanges syllables as a recogniser does: for one that sounds alike at its
    roughest, or for any that is said often."""

    def __init__(self, examples: Sequence[Example], rate: float) -> None:
        self._rate = rate
        self._alike: dict[str, list[str]] = {}
        self._said: list[str] = []
        for example in examples:
            for piece in example.pieces:
                for word in piece.text.split():
                    for written, sound in spelt_and_sounding(word):
                        self._said.append(written)
                        self._alike.setdefault(sound, []).append(written)

    def pieces(self, example: Example) -> tuple[Piece, ...]:
        """The same dialogue misheard, always in the same way."""
        rng = random.Random(example.dialogue.name)
        heard = utterances_from_turns(
            [(piece.leg, self._mishear(piece.text, rng)) for piece in example.pieces]
        )
        return tuple(READER.pieces(heard))

    def _mishear(self, text: str, rng: random.Random) -> str:
        kept = []
        for word in text.split():
            for written, sound in spelt_and_sounding(word):
                draw = rng.random() / self._rate
                if draw < 0.3:
                    continue
                if draw < 0.65:
                    kept.append(rng.choice(self._said))
                elif draw < 1.0:
                    kept.append(rng.choice(self._alike.get(sound, self._said)))
                else:
                    kept.append(written)
        return " ".join(kept)


def is_caller(piece: Piece) -> bool:
    return piece.leg is LegName.CALLER
