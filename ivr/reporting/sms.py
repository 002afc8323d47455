"""The LD, V and S messages to 156 and 5656: keyword, number, content, in one GSM-7 part.

Three spellings of the same three slots are published: ``LD (số) (nội dung)`` by the ministry
(2022), ``V [số][nội dung]`` in circular 22/2021/TT-BTTTT, ``LD số nội dung`` by provincial police.
"""

import re
from collections.abc import Sequence
from typing import Literal

from ivr.reporting.gsm import segments, without_diacritics

Keyword = Literal["LD", "V", "S"]
Form = Literal["A", "B", "C"]

# First words that make the short codes do something else with the message.
KEYWORDS = frozenset({"LD", "V", "S", "DK", "HUY", "DNC", "TC", "TK", "HD", "KT", "YES", "NO"})
_FORMS = {"A": "{0} ({1}) ({2})", "B": "{0} [{1}][{2}]", "C": "{0} {1} {2}"}
_LONG_DIGITS = re.compile(r"\+?\d(?:\W*\d){5,}")


def short_message(
    keyword: Keyword,
    number: str,
    content: Sequence[str],
    closing: str,
    form: Form,
    *,
    fallback: str = "Cuoc goi",
    keeps_numbers: bool = False,
) -> str:
    """One message that fits one part.

    Args:
        number: as `numbers.as_filed` gives it.
        content: what happened, most important first; what does not fit is left out.
        closing: time and recording; always kept. It may hold digits, ``content`` may not hold
            six in a row (a telephone or account number would name a third person).
        form: spelling of the message.
        fallback: what it is about, in a few plain letters, when nothing else can be said.
        keeps_numbers: ``content`` is what somebody wrote, not what a machine heard.
    """
    parts = [cleaned for text in content if (cleaned := _clean(text, keeps_numbers=keeps_numbers))]
    if not parts or _first_word(parts[0]) in KEYWORDS:
        parts.insert(0, fallback)
    closing = without_diacritics(closing)
    while len(parts) > 1 and not _fits(_write(keyword, number, parts, closing, form)):
        parts.pop()
    while " " in parts[0] and not _fits(_write(keyword, number, parts, closing, form)):
        parts[0] = parts[0].rsplit(" ", 1)[0]
    if not _fits(_write(keyword, number, parts, closing, form)):
        parts = [fallback]
    return _write(keyword, number, parts, closing, form)


def _write(keyword: str, number: str, parts: list[str], closing: str, form: Form) -> str:
    return _FORMS[form].format(keyword, number, ", ".join([*parts, closing]))


def _fits(message: str) -> bool:
    counted = segments(message)
    return counted.encoding == "gsm7" and counted.parts == 1


def _clean(text: str, *, keeps_numbers: bool) -> str:
    """Plain letters without brackets (they part the slots), backslashes or long numbers."""
    plain = re.sub(r"[()\[\]{}\\^~|\f]", " ", without_diacritics(text))
    kept = plain if keeps_numbers else _LONG_DIGITS.sub(" ", plain)
    shortened = re.sub(r"\s+", " ", kept).strip(" ,")
    return re.sub(r"^[^A-Za-z0-9]+", "", shortened)


def _first_word(text: str) -> str:
    return re.split(r"[^A-Za-z0-9]", text, maxsplit=1)[0].upper()
