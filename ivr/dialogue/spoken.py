"""Numbers, telephone numbers, times, dates and money as Vietnamese and English say them.

Everything becomes a sequence of *pieces*: ids of short recorded prompts, each one word or two,
and pauses. The same pieces give the text (``as_text``), so what a prompt file says and what is
shown never differ. Pure.

Vietnamese counts by thousands: a group below another one is said with its hundreds, even when
they are zero ("một nghìn không trăm linh năm"). In the ones' place after "mươi" one is "mốt",
four "tư" and five "lăm"; after "mười" only five changes. North says "linh" and "nghìn", South
"lẻ" and "ngàn".
"""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

Language = Literal["vi", "en"]
Region = Literal["north", "south"]
Pieces = tuple[str, ...]

LARGEST = 10**12
PAUSE = "pause"
"""A short silence between groups; no prompt of that id exists."""

_VI_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín", "mười")
_VI_SPECIAL = {
    "n_tens": "mươi",
    "n_one_after_tens": "mốt",
    "n_four_after_tens": "tư",
    "n_five_after_tens": "lăm",
    "n_odd_north": "linh",
    "n_odd_south": "lẻ",
    "n_hundred": "trăm",
    "n_thousand_north": "nghìn",
    "n_thousand_south": "ngàn",
    "n_million": "triệu",
    "n_billion": "tỷ",
    "s_dong": "đồng",
    "s_hour": "giờ",
    "s_minute": "phút",
    "s_day": "ngày",
    "s_month": "tháng",
    "s_year": "năm",
    "s_plus": "cộng",
    "s_star": "sao",
    "s_hash": "thăng",
}
_EN_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_EN_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
_EN_SPECIAL = {
    "n_hundred": "hundred",
    "n_thousand": "thousand",
    "n_million": "million",
    "n_billion": "billion",
    "n_and": "and",
    "s_dong": "dong",
    "s_plus": "plus",
    "s_star": "star",
    "s_hash": "hash",
}

VOCABULARY: dict[Language, dict[str, str]] = {
    "vi": {f"n_{n}": word for n, word in enumerate(_VI_DIGITS)} | _VI_SPECIAL,
    "en": {f"n_{n}": word for n, word in enumerate(_EN_SMALL)}
    | {f"n_{20 + 10 * n}": word for n, word in enumerate(_EN_TENS)}
    | {f"s_month_{n}": word for n, word in enumerate(_EN_MONTHS, start=1)}
    | _EN_SPECIAL,
}
"""Every piece that this module can ask for, with its word: the prompts a language must have."""

_KEYS = {"+": "s_plus", "*": "s_star", "#": "s_hash"} | {str(n): f"n_{n}" for n in range(10)}


def as_text(pieces: Pieces, language: Language) -> str:
    """The pieces as one writes them; a pause becomes a comma."""
    words = VOCABULARY[language]
    text = " ".join("," if piece == PAUSE else words[piece] for piece in pieces)
    return text.replace(" ,", ",")


def integer(n: int, language: Language, region: Region = "north") -> Pieces:
    """A whole number from 0 to 10^12.

    Raises:
        ValueError: the number is out of range.
    """
    if not 0 <= n <= LARGEST:
        raise ValueError(f"{n} is not between 0 and {LARGEST}")
    return tuple(_vi(n, region)) if language == "vi" else tuple(_en(n))


def money(dong: int, language: Language, region: Region = "north") -> Pieces:
    """An amount in đồng."""
    return (*integer(dong, language, region), "s_dong")


def keys(shown: str) -> Pieces:
    """Digit by digit, as keys of a telephone; what is no key is passed over."""
    return tuple(_KEYS[char] for char in shown if char in _KEYS)


def telephone(number: str) -> Pieces:
    """A telephone number digit by digit, in groups with a pause between them.

    ``+84`` becomes the 0 that people dial. Ten digits are said 4-3-3, eleven 4-3-4, others in
    groups of three from the end.
    """
    shown = "0" + number[3:] if number.startswith("+84") else number
    sign, digits = ("+" if shown.startswith("+") else ""), "".join(filter(str.isdecimal, shown))
    groups = [keys(sign)] if sign else []
    groups += [keys(group) for group in _groups(digits)]
    return _joined(groups)


def clock(moment: datetime, language: Language, region: Region = "north") -> Pieces:
    """The time of day, on the clock of ``moment``'s own time zone."""
    hour, minute = moment.hour, moment.minute
    if language == "en":
        small = ("n_0",) if 0 < minute < 10 else ()
        tail = () if minute == 0 else (*small, *integer(minute, "en"))
        return (*integer(hour, "en"), *(tail or ("n_hundred",)))
    said = (*integer(hour, "vi", region), "s_hour")
    return said if minute == 0 else (*said, *integer(minute, "vi", region), "s_minute")


def date(moment: datetime, language: Language, region: Region = "north") -> Pieces:
    """Day, month and year."""
    year = integer(moment.year, language, region)
    if language == "en":
        return (*integer(moment.day, "en"), f"s_month_{moment.month}", *year)
    return (
        *("s_day", *integer(moment.day, "vi", region)),
        *("s_month", *integer(moment.month, "vi", region)),
        *("s_year", *year),
    )


def _joined(groups: list[Pieces]) -> Pieces:
    said: list[str] = []
    for group in groups:
        said += [PAUSE, *group] if said else group
    return tuple(said)


def _groups(digits: str) -> Iterator[str]:
    first = {10: 4, 11: 4}.get(len(digits), len(digits) % 3 or 3)
    cuts = [0, *range(first, len(digits), 3), len(digits)]
    if len(digits) == 11:
        cuts = [0, 4, 7, 11]
    if not digits:
        return
    for start, end in itertools.pairwise(cuts):
        yield digits[start:end]


def _vi(n: int, region: Region) -> Iterator[str]:
    if n == 0:
        yield "n_0"
        return
    yield from _vi_upper(n, region, is_below=False)


def _vi_upper(n: int, region: Region, *, is_below: bool) -> Iterator[str]:
    """Groups of a thousand; ``is_below``: something greater was said before."""
    units = (
        (10**9, "n_billion"),
        (10**6, "n_million"),
        (10**3, f"n_thousand_{region}"),
    )
    for size, unit in units:
        if n >= size:
            high, n = divmod(n, size)
            yield from _vi_upper(high, region, is_below=is_below)
            yield unit
            is_below = True
    if n:
        yield from _vi_group(n, region, is_whole=is_below)


def _vi_group(n: int, region: Region, *, is_whole: bool) -> Iterator[str]:
    """1 to 999; ``is_whole``: with its hundreds even when they are zero."""
    hundreds, rest = divmod(n, 100)
    if hundreds or is_whole:
        yield from (f"n_{hundreds}", "n_hundred")
        if 0 < rest < 10:
            yield from (f"n_odd_{region}", f"n_{rest}")
            return
    tens, ones = divmod(rest, 10)
    if tens == 0:
        if ones:
            yield f"n_{ones}"
        return
    yield from ("n_10",) if tens == 1 else (f"n_{tens}", "n_tens")
    special = {5: "n_five_after_tens"}
    if tens > 1:
        special |= {1: "n_one_after_tens", 4: "n_four_after_tens"}
    if ones:
        yield special.get(ones, f"n_{ones}")


def _en(n: int) -> Iterator[str]:
    if n == 0:
        yield "n_0"
        return
    is_below = False
    for size, unit in ((10**9, "n_billion"), (10**6, "n_million"), (10**3, "n_thousand")):
        if n >= size:
            high, n = divmod(n, size)
            yield from _en(high)
            yield unit
            is_below = True
    hundreds, rest = divmod(n, 100)
    if hundreds:
        yield from (f"n_{hundreds}", "n_hundred")
    if rest and (hundreds or is_below):
        yield "n_and"
    tens, ones = divmod(rest, 10)
    if rest < 20:
        if rest:
            yield f"n_{rest}"
        return
    yield f"n_{10 * tens}"
    if ones:
        yield f"n_{ones}"
