"""Finds words in the transcripts of sealed cases, in what any recogniser heard."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivr.casefile import FIRST, SECOND, UTTERANCES_FORM
from ivr.casework.unlocking import unlocked
from ivr.errors import EvidenceError
from ivr.evidence.canonical import digest_of
from ivr.evidence.layout import DERIVED
from ivr.facts.speech import Utterance
from ivr.settings import Settings


@dataclass(frozen=True, slots=True)
class Found:
    """One place where the words were heard; seconds on the leg's clock.

    Args:
        file: the transcript, inside the case.
        text: the utterance.
    """

    leg: str
    start_s: float
    end_s: float
    text: str
    file: str


@dataclass(frozen=True, slots=True)
class Query:
    """Words that must stand next to each other, in this order.

    Case does not matter. Tones and marks matter where the query has any: ``công an`` finds only
    that, ``cong an`` finds both.
    """

    words: tuple[str, ...]
    is_bare: bool

    @classmethod
    def of(cls, text: str) -> "Query":
        words = _fold(text, is_bare=False)
        return cls(words, words == _fold(text, is_bare=True))

    def digest(self, actor: str, at: str) -> str:
        """What custody keeps of a search, SHA-256 (hex) of canonical JSON: who holds the words, the
        name and the time can show that it was this search; the words are not kept."""
        return digest_of({"actor": actor, "at": at, "words": " ".join(self.words)})

    def find(self, utterance: Utterance, file: str) -> Iterator[Found]:
        """Every place in one utterance."""
        spoken = [
            (folded, word)
            for word in utterance.words
            for folded in _fold(word.text, is_bare=self.is_bare)
        ]
        heard, size = [folded for folded, _ in spoken], len(self.words)
        for at in range(len(heard) - size + 1 if size else 0):
            if tuple(heard[at : at + size]) == self.words:
                first, last = spoken[at][1], spoken[at + size - 1][1]
                leg, text = utterance.leg.value, utterance.text
                yield Found(leg, first.start_s, last.end_s, text, file)


def search(path: Path, query: Query, settings: Settings) -> tuple[Found, ...]:
    """Every place in every transcript of a case, also an encrypted one; in order of time.

    Raises:
        EnvironmentProblem, EvidenceError: it cannot be read here.
    """
    found: list[Found] = []
    with unlocked(path, settings) as clear:
        for exhibit in (FIRST, SECOND):
            file = clear / DERIVED / exhibit.transcript
            try:
                utterances = UTTERANCES_FORM.validate_json(file.read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as problem:
                raise _unreadable(path, file, problem) from problem
            for utterance in utterances:
                found += query.find(utterance, f"{DERIVED}/{file.name}")
    return tuple(sorted(found, key=lambda each: (each.start_s, each.leg, each.file)))


def _fold(text: str, *, is_bare: bool) -> tuple[str, ...]:
    text = unicodedata.normalize("NFC", text).casefold()
    if is_bare:
        parts = unicodedata.normalize("NFD", text.replace("đ", "d"))
        text = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return tuple("".join(c if c.isalnum() else " " for c in text).split())


def _unreadable(path: Path, file: Path, problem: Exception) -> EvidenceError:
    return EvidenceError(
        f"{file.name} of {path.name} cannot be read.",
        why=f"{type(problem).__name__}: {problem}",
        remedy=f"Run `ivr verify {path}` to see which file is not what was sealed.",
    )
