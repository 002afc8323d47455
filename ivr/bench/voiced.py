"""A voiced set as `scripts/make_voiced_set` leaves it: written calls, their sound, who speaks how.

``dialogues.jsonl`` and ``calls.jsonl`` list the same calls in the same order; the sound lies
beside them, 8 kHz stereo, the caller on the first channel.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ivr.bench.verdict import LEGS, Dialogue, read_dialogues
from ivr.errors import InputError
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.spotting.tokens import syllables

CALLS: Final = "calls.jsonl"
DIALOGUES: Final = "dialogues.jsonl"
_REMEDY: Final = "Make the set anew: scripts/make_voiced_set."


class _Border(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Speaker(_Border):
    voice: str = Field(description="base voice and variant, as vi+f2")


class VoicedLeg(_Border):
    """One side of the line; ``noise`` is none, light, loud or voices."""

    speaker: Speaker
    noise: str

    @property
    def variant(self) -> str:
        return self.speaker.voice.partition("+")[2]


class VoicedTurn(_Border):
    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)


class _Description(_Border):
    id: str
    file: str
    seconds: float = Field(gt=0)
    speech: str
    codec: str
    loss: float = Field(ge=0, le=1)
    legs: dict[str, VoicedLeg]
    turns: tuple[VoicedTurn, ...]


@dataclass(frozen=True, slots=True)
class VoicedCall:
    """A written call and its sound.

    Args:
        speech: the world the sound is from, e.g. ``synthetic (espeak-ng)``.
        loss: share of lost packets.
        turns: when each turn of the dialogue is spoken.
    """

    dialogue: Dialogue
    audio: Path
    seconds: float
    speech: str
    codec: str
    loss: float
    legs: dict[LegName, VoicedLeg]
    turns: tuple[VoicedTurn, ...]

    @property
    def talk_s(self) -> float:
        """Seconds in which somebody speaks."""
        return sum(turn.end_s - turn.start_s for turn in self.turns)

    @property
    def demand(self) -> tuple[float, float] | None:
        """Start and end of the turn of the first demand."""
        if self.dialogue.first_demand_turn is None:
            return None
        turn = self.turns[self.dialogue.first_demand_turn]
        return (turn.start_s, turn.end_s)

    def said(self, leg: LegName) -> list[str]:
        """All canonical syllables spoken on a leg."""
        texts = (text for who, text in self.dialogue.turns if who is leg)
        return [one for text in texts for word in text.split() for one in syllables(word)]

    def as_spoken(self) -> tuple[Utterance, ...]:
        """The text as a perfect recogniser would give it: words spread evenly over their turn."""
        found = []
        pairs = zip(self.dialogue.turns, self.turns, strict=True)
        for index, ((leg, text), turn) in enumerate(pairs):
            written = text.split()
            lengths = [max(1, len(syllables(word))) for word in written]
            step = (turn.end_s - turn.start_s) / max(1, sum(lengths))
            at, words = turn.start_s, []
            for word, length in zip(written, lengths, strict=True):
                words.append(Word(word, round(at, 2), round(at + length * step, 2), 1.0))
                at += length * step
            found.append(Utterance(leg, index, True, tuple(words), ""))
        return tuple(found)


def read_voiced(folder: Path, limit: int | None = None) -> list[VoicedCall]:
    """The calls of a set, at most ``limit``, in the order of its list.

    Raises:
        InputError: there is no set, or its two lists do not agree.
    """
    path = folder / CALLS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(
            f"There is no voiced set in {folder}.", why=str(problem), remedy=_REMEDY
        ) from problem
    dialogues = read_dialogues(folder / DIALOGUES)
    if len(dialogues) != len(lines):
        raise InputError(
            f"The voiced set in {folder} is not complete.",
            why=f"{len(lines)} calls for {len(dialogues)} dialogues",
            remedy=_REMEDY,
        )
    pairs = list(zip(lines, dialogues, strict=True))[:limit]
    return [_call(folder, n, line, dialogue) for n, (line, dialogue) in enumerate(pairs, start=1)]


def _call(folder: Path, number: int, line: str, dialogue: Dialogue) -> VoicedCall:
    try:
        told = _Description.model_validate_json(line)
        legs = {LEGS[role]: leg for role, leg in told.legs.items()}
        if told.id != dialogue.name:
            raise ValueError(f"{told.id} stands where {dialogue.name} is spoken")
        if set(legs) != set(LEGS.values()) or len(told.turns) != len(dialogue.turns):
            raise ValueError("legs or turns are missing")
    except (ValidationError, ValueError, KeyError) as problem:
        raise InputError(
            f"{folder / CALLS}:{number} describes no call.", why=str(problem), remedy=_REMEDY
        ) from problem
    return VoicedCall(
        dialogue,
        folder / told.file,
        told.seconds,
        told.speech,
        told.codec,
        told.loss,
        legs,
        told.turns,
    )
