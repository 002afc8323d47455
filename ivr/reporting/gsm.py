"""How many parts an SMS takes (3GPP TS 23.038, 23.040), and Vietnamese made to fit one.

Own code: ``smsutil`` counts the same but has had no release since 2020, and ``python-gammu``
transliterates before it counts. A property test compares every count with ``smsutil``.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")  # each takes an escape septet more

_SINGLE = {"gsm7": 160, "ucs2": 70}
_PART = {"gsm7": 153, "ucs2": 67}
# Letters that have no Unicode decomposition into a base letter, and typographic marks.
_PLAIN = str.maketrans(
    {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "–": "-", "—": "-", "…": "...", "’": "'", "‘": "'"}
    | {"“": '"', "”": '"', "₫": "d"}
)


@dataclass(frozen=True, slots=True)
class Segments:
    """``units`` are septets for GSM-7 and 16-bit units for UCS-2, escapes and halves included."""

    encoding: Literal["gsm7", "ucs2"]
    units: int
    parts: int


def segments(text: str) -> Segments:
    """Count the parts a text is sent in. An escape or surrogate pair is never split."""
    is_gsm = all(letter in BASIC or letter in EXTENDED for letter in text)
    encoding: Literal["gsm7", "ucs2"] = "gsm7" if is_gsm else "ucs2"
    widths = [_width(letter, is_gsm=is_gsm) for letter in text]
    units = sum(widths)
    if units <= _SINGLE[encoding]:
        return Segments(encoding, units, 1 if text else 0)
    parts, used = 1, 0
    for width in widths:
        if used + width > _PART[encoding]:
            parts, used = parts + 1, 0
        used += width
    return Segments(encoding, units, parts)


def _width(letter: str, *, is_gsm: bool) -> int:
    if is_gsm:
        return 2 if letter in EXTENDED else 1
    return 2 if ord(letter) > 0xFFFF else 1


def without_diacritics(text: str) -> str:
    """Vietnamese as it is written in an SMS: base letters, single spaces, all in GSM-7.

    What neither decomposes nor has a plain form becomes a space.
    """
    marks_apart = unicodedata.normalize("NFD", text.translate(_PLAIN))
    letters = (letter for letter in marks_apart if not unicodedata.combining(letter))
    plain = "".join(each if each in BASIC or each in EXTENDED else " " for each in letters)
    return re.sub(r"\s+", " ", plain).strip()
