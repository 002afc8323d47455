"""From recognised words, or from a typed transcript, to the syllables that are matched.

Typed text comes in every state: NFD, windows-1258 half-decomposed, capitals, emoji, digits,
sums as ``50tr`` or ``22.000đ``, no diacritics at all.  `canonical` mends the letters; digits
become the words they are said with.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.spotting.syllable import canonical

SECONDS_PER_SYLLABLE: Final = 0.22  # ordinary Vietnamese runs at four to five a second
SECONDS_BETWEEN_TURNS: Final = 0.8

_DIGITS: Final = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_UNITS: Final = {
    "k": "nghìn",
    "tr": "triệu",
    "trieu": "triệu",
    "ty": "tỉ",
    "đ": "đồng",
    "d": "đồng",
    "vnd": "đồng",
    "vnđ": "đồng",
    "h": "giờ",
    "%": "phần trăm",
}
_PIECES = re.compile(r"\d+(?:[.,]\d{3})*|[^\W\d_]+|\*|#|%")
_SIGNS: Final = {"*": "sao", "#": "thăng"}
_BREAKS = re.compile(r"[.,;:!?…\"“”()\-–—]+$")


@dataclass(frozen=True, slots=True)
class Token:
    """One syllable to be matched.

    Args:
        text: canonical spelling.
        heard: the word it came from, as it was recognised or typed.
        word: running number of that word on its leg (several tokens can share one).
        breaks: a punctuation mark closes the clause after it.
        utterance: index of its utterance on the leg.
    """

    text: str
    heard: str
    word: int
    start_s: float
    end_s: float
    confidence: float
    breaks: bool
    utterance: int


def spoken(number: str) -> list[str]:
    """Digits as they are said: up to two as a number, round hundreds and thousands with their unit,
    the rest digit by digit (telephone and card numbers, short codes).

    >>> " ".join(spoken("22000"))
    'hai mươi hai nghìn'
    """
    digits = re.sub(r"\D", "", number)
    for zeros, unit in ((9, "tỉ"), (6, "triệu"), (3, "nghìn")):
        head = digits[:-zeros]
        if head and not digits.startswith("0") and digits.endswith("0" * zeros) and len(head) <= 3:
            return [*spoken(head), unit]
    if len(digits) == 2 and digits[0] != "0":
        tens = ["mười"] if digits[0] == "1" else [_DIGITS[int(digits[0])], "mươi"]
        return tens if digits[1] == "0" else [*tens, _DIGITS[int(digits[1])]]
    if len(digits) == 3 and digits[0] != "0" and digits[2] == "0":
        return [_DIGITS[int(digits[0])], "trăm", *(spoken(digits[1:]) if digits[1] != "0" else [])]
    return [_DIGITS[int(digit)] for digit in digits if digit.isdigit() and digit.isascii()]


def syllables(word: str) -> list[str]:
    """One written word to canonical syllables; emoji and bare punctuation give none."""
    found: list[str] = []
    after_digits = False
    for piece in _PIECES.findall(canonical(word)):
        if piece[0].isdigit():
            found += spoken(piece)
        elif piece in _SIGNS:
            found.append(_SIGNS[piece])
        elif after_digits and piece in _UNITS:
            found += _UNITS[piece].split()
        elif piece != "%":
            found.append(piece)
        after_digits = piece[0].isdigit()
    return found


def tokenize(utterance: Utterance, first_word: int = 0) -> list[Token]:
    """Tokens of an utterance; a word of several syllables shares out its time."""
    found: list[Token] = []
    for number, word in enumerate(utterance.words, start=first_word):
        texts = syllables(word.text)
        step = (word.end_s - word.start_s) / max(1, len(texts))
        ends_clause = bool(_BREAKS.search(word.text.strip()))
        for place, text in enumerate(texts):
            found.append(
                Token(
                    text=text,
                    heard=word.text,
                    word=number,
                    start_s=word.start_s + place * step,
                    end_s=word.start_s + (place + 1) * step,
                    confidence=word.confidence,
                    breaks=ends_clause and place == len(texts) - 1,
                    utterance=utterance.index,
                )
            )
    return found


def has_diacritics(tokens: Iterable[Token]) -> bool:
    """Whether anything in it is written with a Vietnamese mark or đ."""
    return any(not token.text.isascii() for token in tokens)


def utterances_from_turns(turns: Iterable[tuple[LegName, str]]) -> tuple[Utterance, ...]:
    """A typed transcript as utterances with made-up, steadily running times.

    Nothing is measured here: the times only keep order and rough distance.
    """
    found: list[Utterance] = []
    at = 0.0
    for index, (leg, text) in enumerate(turns):
        words: list[Word] = []
        for written in unicodedata.normalize("NFC", text).split():
            end = at + SECONDS_PER_SYLLABLE * max(1, len(syllables(written)))
            words.append(Word(written, round(at, 2), round(end, 2), 1.0))
            at = end
        found.append(Utterance(leg, index, True, tuple(words), ""))
        at += SECONDS_BETWEEN_TURNS
    return tuple(found)
