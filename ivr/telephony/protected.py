"""Numbers that a report must never name: the people we protect, and our own lines. Pure.

A forwarded call shows them in many places and spellings. What cannot be told from a protected
number with certainty counts as one: the price is a caller who is called nobody.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from ivr.telephony.numbers import MOVED_FROM, normalise, significant_digits

_MIN_HIDDEN_DIGITS = 7
"""Shorter numbers are found only when they stand alone: they hide in other numbers by chance."""

_MIN_HIDDEN_RANGE_DIGITS = 5
"""The same of ranges: shorter ones are found only at the beginning of what stands there."""

_LEAD = re.compile("0*(84)?0*")
_LETTERS_AS_DIGITS = str.maketrans("OoОоΟοIl|Ii", "00000011111")  # Latin, Cyrillic, Greek
_DIGIT_BESIDE = re.compile(r"(?<=[0-9])[OoОоΟοIl|i]+|[OoОоΟοIl|i]+(?=[0-9])")
_TURNED_ROUND = re.compile("[\u202e\u2067\u202b\u200f]")  # text after these is shown backwards


@dataclass(frozen=True, slots=True)
class Protected:
    """A set of numbers and texts; make one with ``Protected.of``.

    Args:
        digits: national significant numbers, today's and those before the move of 2018.
        ranges: beginnings of national significant numbers.
        texts: user parts that are no numbers, case-folded.
    """

    digits: frozenset[str] = frozenset()
    ranges: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, numbers: Iterable[str | None]) -> Self:
        """The set of these.

        Args:
            numbers: E.164 or national numbers in any spelling; the beginning of a range with
                ``*`` behind; or user parts of SIP addresses. Empty ones are passed over.
        """
        digits: set[str] = set()
        ranges: set[str] = set()
        texts: set[str] = set()
        for number in numbers:
            if not number:
                continue
            if number.endswith("*"):
                found = _national(number)
                if found:
                    ranges.update(_with_old_spelling(found))
                continue
            found = _national(normalise(number).e164 or number)
            if found and len(found) >= _count_of_letters(number):
                digits.update(_with_old_spelling(found))
            else:
                texts.add(number.casefold())
        return cls(frozenset(digits), tuple(sorted(ranges)), frozenset(texts))

    def shows(self, *texts: str | None) -> bool:
        """Whether a text shows one of them: as it is, in another spelling (other scripts'
        digits, separators, letters that look like digits, turned round, the prefix before 2018),
        or hidden among other characters."""
        return any(
            text.strip().casefold() in self.texts or self.shows_number(text)
            for text in texts
            if text
        )

    def shows_number(self, text: str | None) -> bool:
        """As ``shows``, of a name: somebody may be called like a user part of ours."""
        if not text:
            return False
        number = normalise(text).e164
        if number is not None and self._is_one(number.removeprefix("+84")):
            return True
        is_foreign = number is not None and not number.startswith("+84")
        return any(
            digits.lstrip("0") in self.digits
            or self._is_hidden_in(digits)
            or (not is_foreign and self._is_one(_LEAD.sub("", digits, count=1)))
            for digits in _readings(text)
        )

    def _is_one(self, national: str) -> bool:
        is_long = len(national) >= _MIN_HIDDEN_DIGITS
        return national in self.digits or (is_long and national.startswith(self.ranges))

    def _is_hidden_in(self, digits: str) -> bool:
        lengths = {len(own) for own in self.digits if len(own) >= _MIN_HIDDEN_DIGITS}
        for length in lengths:
            for start in range(len(digits) - length + 1):
                if digits[start : start + length] in self.digits:
                    return True
        ranges = (own for own in self.ranges if len(own) >= _MIN_HIDDEN_RANGE_DIGITS)
        return any(lead + own in digits for own in ranges for lead in ("84", "0"))


def _national(number: str) -> str:
    return significant_digits(number).removeprefix("84").lstrip("0")


def _with_old_spelling(national: str) -> Iterator[str]:
    yield national
    old = MOVED_FROM.get(national[:2])
    if old is not None:
        yield old + national[2:]


def _readings(text: str) -> Iterator[str]:
    """The digits of a text, each way somebody may read them."""
    shown = unicodedata.normalize("NFKC", text)
    plain = significant_digits(shown)
    yield plain
    guessed = significant_digits(
        _DIGIT_BESIDE.sub(lambda found: found[0].translate(_LETTERS_AS_DIGITS), shown)
    )
    if guessed != plain:
        yield guessed
    if _TURNED_ROUND.search(text):
        yield guessed[::-1]


def _count_of_letters(text: str) -> int:
    return sum(char.isalpha() for char in text)
