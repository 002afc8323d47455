"""Where somebody reads a number aloud digit by digit: accounts, codes, identity numbers. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word

DIGITS: Final = frozenset(
    {"không", "một", "mốt", "hai", "ba", "bốn", "tư", "năm", "lăm", "nhăm", "sáu", "bảy", "bẩy"}
    | {"tám", "chín", "mười", "zero", "oh", "one", "two", "three", "four", "five", "six", "seven"}
    | {"eight", "nine"}
)
TENS: Final = frozenset({"mươi", "linh", "lẻ", "chục"})
"""Said within a number that is read in pairs ("chín mươi tám"); no digit of its own."""
FILLERS: Final = frozenset(["à", "ạ", "dạ", "vâng", "ừ", "ờ", "rồi", "là", "số", "đúng", "xong"])
MOST_FILLERS: Final = 2
LONGEST_PAUSE_S: Final = 4.0
"""The other side writes it down, or says yes."""


@dataclass(frozen=True, slots=True)
class ReadNumber:
    """A number that was read aloud; times in seconds on the leg's clock."""

    leg: LegName
    start_s: float
    end_s: float
    digits: int


def read_numbers(utterances: Sequence[Utterance], least: int) -> tuple[ReadNumber, ...]:
    """Runs of ``least`` spoken digits or more, leg by leg, across the borders of utterances.

    Fillers and pauses within are bridged. A quantity ("năm trăm nghìn") is no run: hundreds and
    thousands end one.
    """
    legs: dict[LegName, list[Word]] = {}
    for utterance in utterances:
        legs.setdefault(utterance.leg, []).extend(utterance.words)
    found = []
    for leg, words in legs.items():
        for run in _runs(sorted(words, key=lambda word: word.start_s)):
            digits = sum(map(_digits, run))
            if digits >= least:
                found.append(ReadNumber(leg, run[0].start_s, run[-1].end_s, digits))
    return tuple(sorted(found, key=lambda number: (number.start_s, number.leg.value)))


def _runs(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Stretches that begin and end with a word of a number."""
    run: list[Word] = []
    fillers: list[Word] = []
    for word in words:
        text = _plain(word)
        last = (fillers or run or [word])[-1]
        is_near = word.start_s - last.end_s <= LONGEST_PAUSE_S
        if is_near and (_digits(word) or (run and text in TENS)):
            run += [*fillers, word]
            fillers = []
        elif is_near and run and text in FILLERS and len(fillers) < MOST_FILLERS:
            fillers.append(word)
        else:
            if run:
                yield run
            run, fillers = ([word] if _digits(word) else []), []
    if run:
        yield run


def _digits(word: Word) -> int:
    """How many digits a word stands for; a recogniser may write figures."""
    text = _plain(word)
    if text in DIGITS:
        return 1
    return len(text) if text.isdigit() else 0


def _plain(word: Word) -> str:
    text = unicodedata.normalize("NFC", word.text).casefold()
    return "".join(letter for letter in text if letter.isalnum())
