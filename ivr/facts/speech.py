"""What recognition heard."""

from dataclasses import dataclass

from ivr.facts.call import LegName


@dataclass(frozen=True, slots=True)
class Word:
    """One syllable as heard; times in seconds on the leg's media clock, confidence 0–1."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech of one leg.

    Partial utterances (``is_final`` False) carry the same ``index`` as the final that will
    replace them; their word times are estimates and their confidences are 0.5.

    Args:
        others: what else a final may have been, the likelier first, if the engine says so; a
            word's confidence there is the share of belief in it.
    """

    leg: LegName
    index: int
    is_final: bool
    words: tuple[Word, ...]
    model_sha256: str
    others: tuple[tuple[Word, ...], ...] = ()

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class MissedSpan:
    """Sound that was not recognised live (a full queue, a dead recogniser): to listen to again."""

    leg: LegName
    start_s: float
    end_s: float
    why: str
