"""What is odd about the name that a caller shows: patterns of spoofed calls. Pure.

None of these convicts anybody: lawful callers show odd names too. They tell an investigator where
to look, and stand in the report as what was seen.
"""

import re
import unicodedata

from ivr.telephony.numbers import normalise

AUTHORITIES = (
    *("cong an", "canh sat", "bo cong an", "vien kiem sat", "kiem sat vien", "toa an", "thanh tra"),
    *("dieu tra", "an ninh", "phong chong ma tuy", "cuc vien thong", "bo thong tin"),
    *("so thong tin", "bo khoa hoc", "so khoa hoc", "hai quan", "cuc thue", "chi cuc thue"),
    *("tong cuc thue", "kho bac", "ngan hang nha nuoc", "dich vu cong", "bao hiem xa hoi"),
    *("bo tttt", "so tttt", "vneid", "interpol", "police", "public security", "procuracy"),
    *("customs", "supreme court"),
)
"""Offices whose name impostors take, without diacritics and case: the pretexts that warnings of
Vietnamese police have named since 2023."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u180e\u200b-\u200d\u2060-\u2064\u3164\ufeff\uffa0]"
)
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONG_NUMBER = re.compile(r"\+?[0-9](?:[\s.()\-]*[0-9]){6,}")
_LOOK_ALIKE = str.maketrans(
    # Cyrillic, then Greek, then digits in words; capitals and small letters look different things
    "АВЕКМНОРСТУХІЈЅаеорсухіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορυ0134",
    "abekmhopctyxijsaeopcyxijshdqwabezhikmnoptyxaeikvopuoiea",
)
_AUTHORITY = re.compile(r"\b(?:" + "|".join(map(re.escape, AUTHORITIES)) + r")\b")


def display_flags(display: str | None, e164: str | None) -> tuple[str, ...]:
    """Flags of a display name beside the number it is shown with.

    ``authority_display``: an office's name (``foreign_authority`` too when the number is of
    another country); ``display_shows_other_number``; ``invisible_characters``;
    ``writing_direction`` (characters that turn the text round); ``mixed_scripts`` (Latin letters
    beside look-alikes of other alphabets).
    """
    if not display:
        return ()
    flags: list[str] = []
    if _AUTHORITY.search(skeleton(display)):
        flags.append("authority_display")
        if e164 is not None and not e164.startswith("+84"):
            flags.append("foreign_authority")
    if _shows_other_number(display, e164):
        flags.append("display_shows_other_number")
    return (*flags, *text_flags(display))


def text_flags(text: str | None) -> tuple[str, ...]:
    """Flags of the characters of a text alone."""
    if not text:
        return ()
    flags: list[str] = []
    if _INVISIBLE.search(text):
        flags.append("invisible_characters")
    if _DIRECTION.search(text):
        flags.append("writing_direction")
    if len(_scripts(text)) > 1:
        flags.append("mixed_scripts")
    return tuple(flags)


def skeleton(text: str) -> str:
    """A text as the eye takes it: no case, no diacritics, no invisible characters, look-alikes of
    other alphabets and digits in words as Latin letters, single spaces."""
    bare = _DIRECTION.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))
    parts = unicodedata.normalize("NFD", bare)
    letters = "".join(char for char in parts if not unicodedata.combining(char))
    latin = letters.translate(_LOOK_ALIKE).casefold().replace("đ", "d").replace("ð", "d")
    return " ".join(re.sub(r"[\W_]+", " ", latin).split())


def _shows_other_number(display: str, e164: str | None) -> bool:
    plain = "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char
        for char in unicodedata.normalize("NFKC", display)
    )
    found = (normalise(shown).e164 for shown in _LONG_NUMBER.findall(plain))
    return any(number is not None and number != e164 for number in found)


def _scripts(text: str) -> set[str]:
    """Alphabets that a text is written in, of those that look alike."""
    found: set[str] = set()
    for char in text:
        if char.isalpha():
            name = unicodedata.name(char, "").partition(" ")[0]
            if name in ("LATIN", "CYRILLIC", "GREEK", "MATHEMATICAL", "FULLWIDTH", "ARMENIAN"):
                found.add(name)
    return found
