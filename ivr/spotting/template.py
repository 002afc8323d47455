"""Phrase templates: a sentence pattern and the word sequences it stands for.

The notation follows the idea of hassil (Home Assistant's intent templates):

* ``chuyển tiền`` words, in canonical or any other spelling;
* ``(chuyển|nộp|gửi)`` one of several;
* ``[ngay|liền]`` may be missing;
* ``{org}`` an entry of the list ``org``;
* ``...`` up to a few words of any kind in between.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ivr.spotting.syllable import canonical

GAP: Final = "..."
MAX_VARIANTS: Final = 8000  # beyond this a template is a mistake, not a rule
MAX_SLOTS: Final = 24

Variant = tuple[str, ...]
"""Symbols in order: a canonical word, ``{list}``, or `GAP`."""

_TOKEN = re.compile(r"\s*(\.\.\.|…|[()\[\]|]|\{[^{}]*\}|[^\s()\[\]|{}.…]+|\S)")
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_LIST = re.compile(r"\{[a-z_]+\}")


class TemplateError(ValueError):
    """A template that cannot be read; the message says what and how to mend it."""


@dataclass(frozen=True, slots=True)
class _Tokens:
    listed: list[str]

    def peek(self) -> str:
        return self.listed[0] if self.listed else ""

    def take(self) -> str:
        return self.listed.pop(0)


def is_list(symbol: str) -> bool:
    return symbol.startswith("{")


def expand(template: str) -> tuple[Variant, ...]:
    """All variants of a template, in a fixed order, no repeats.

    Raises:
        TemplateError: unbalanced brackets, an empty pattern, unknown signs, too many variants.
    """
    tokens = _Tokens(_TOKEN.findall(template))
    found = _alternatives(tokens)
    if tokens.listed:
        raise TemplateError(f"'{tokens.peek()}' closes nothing; remove it or open it before")
    unique = tuple(dict.fromkeys(_tidy(found)))
    for variant in unique:
        _check(variant)
    return unique


def _tidy(variants: Iterable[Variant]) -> Iterator[Variant]:
    """Gaps at the ends and doubled gaps mean nothing."""
    for variant in variants:
        if GAP not in variant:
            yield variant
            continue
        kept: list[str] = []
        for symbol in variant:
            if symbol != GAP or (kept and kept[-1] != GAP):
                kept.append(symbol)
        while kept and kept[-1] == GAP:
            kept.pop()
        yield tuple(kept)


def _check(variant: Variant) -> None:
    if not variant:
        raise TemplateError("everything in it is optional; at least one word must stay")
    if len(variant) > MAX_SLOTS:
        raise TemplateError(f"a variant has {len(variant)} words; {MAX_SLOTS} is the most")


def _alternatives(tokens: _Tokens) -> list[Variant]:
    found = _sequence(tokens)
    while tokens.peek() == "|":
        tokens.take()
        found = found + _sequence(tokens)
    return found


def _sequence(tokens: _Tokens) -> list[Variant]:
    found: list[Variant] = [()]
    while tokens.peek() not in ("", "|", ")", "]"):
        piece = _item(tokens)
        if len(found) * len(piece) > MAX_VARIANTS:
            raise TemplateError(
                f"it stands for more than {MAX_VARIANTS} word sequences; split it in two"
            )
        found = [head + tail for head in found for tail in piece]
    return found


def _item(tokens: _Tokens) -> list[Variant]:
    sign = tokens.take()
    if sign in ("(", "["):
        closing = ")" if sign == "(" else "]"
        inside = _alternatives(tokens)
        if tokens.peek() != closing:
            raise TemplateError(f"'{sign}' is never closed by '{closing}'")
        tokens.take()
        if sign == "(" and () in inside:
            raise TemplateError("an alternative in (…|…) is empty; use […] for what may be missing")
        return [*inside, ()] if sign == "[" else inside
    if sign in (GAP, "…"):
        return [(GAP,)]
    if sign.startswith("{"):
        if not _LIST.fullmatch(sign):
            raise TemplateError(f"'{sign}' is no list name; use small letters a-z and _")
        return [(sign,)]
    if not _WORD.fullmatch(sign):
        raise TemplateError(f"'{sign}' is neither a word nor one of ( | ) [ ] {{ }} ...")
    if any(letter.isdigit() for letter in sign):
        raise TemplateError(f"'{sign}' holds a digit; write numbers as they are said")
    return [(_word(sign),)]


@lru_cache(maxsize=4096)  # a rulebook repeats its few thousand words ten times
def _word(sign: str) -> str:
    return canonical(sign)
