"""The Vietnamese syllable: parsing, one canonical spelling, and the legal inventory.

A written syllable is (C1)(w)V(C2)+tone.  Comparing these parts, instead of strings, is what
makes "công an" and "cong an", or two Unicode forms of one word, comparable at all.

Canonical spelling (`canonical`), the one form used in word lists, phrases and transcripts:

* NFKC, lower case, format characters dropped, ``ð`` (a common slip for ``đ``) repaired;
* the *old-style* tone place: ``hòa``, ``thúy``, ``khỏe`` (not ``hoà``, ``thuý``, ``khoẻ``);
* ``i`` for a word-final single /i/ after h k l m s t (``kĩ thuật``, ``công ti``, as in the
  school spelling of 1984), ``y`` after ``qu`` (``quy``, ``quýt``), and ``c`` for a final ``k``
  (``đắc lắc``), so that the official name and the common one of the province are one.

Classes of the parts are those of the spelling shared by all dialects: ``d`` and ``gi`` are one
initial everywhere, whereas ``s``/``x``, ``ch``/``tr``, hỏi/ngã stay apart although some regions
merge them.  Mergers are a matter of comparison, not of parsing.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache


class Tone(IntEnum):
    """The six tones, numbered in the order of the dictionaries."""

    NGANG = 1
    HUYEN = 2
    SAC = 3
    HOI = 4
    NGA = 5
    NANG = 6


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable in parts; an absent part is the empty string.

    ``initial`` is one of `INITIALS`, ``medial`` is ``"w"`` or ``""``, ``nucleus`` one of
    `NUCLEI`, ``coda`` one of `CODAS` (``j`` and ``w`` are the glides written i/y and o/u).
    """

    initial: str
    medial: str
    nucleus: str
    coda: str
    tone: Tone


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


INITIALS = ("", *_words("b ch d đ g h k kh l m n ng nh p ph r s t th tr v x"))
NUCLEI = _words("a ă â e ê i o ô ơ u ư iê uô ươ")
STOPS = ("p", "t", "c", "ch")
CODAS = ("", *STOPS, "m", "n", "ng", "nh", "j", "w")

_MARKS = {
    "\u0300": Tone.HUYEN,
    "\u0301": Tone.SAC,
    "\u0309": Tone.HOI,
    "\u0303": Tone.NGA,
    "\u0323": Tone.NANG,
}
_MARK_OF = {tone: mark for mark, tone in _MARKS.items()}
_VOWELS = "aăâeêioôơuưy"
# longest first: the first match wins
_ONSETS = _words("ngh ng nh gh gi kh ch ph qu th tr b c d đ g h k l m n p r s t v x")
_ONSET_CLASS = {"ngh": "ng", "gh": "g", "gi": "d", "c": "k", "qu": "k"}
_SINGLE = {nucleus: nucleus for nucleus in NUCLEI} | {"y": "i", "yê": "iê", "oo": "o", "ôô": "ô"}
_OPEN_ONLY = {"ia": "iê", "ua": "uô", "ưa": "ươ"}  # spelled so only without a coda
_ROUNDED = {
    "oa": "a",
    "oă": "ă",
    "oe": "e",
    "uâ": "â",
    "uê": "ê",
    "uơ": "ơ",
    "uy": "i",
    "uyê": "iê",
}
_LOOKALIKES = str.maketrans({"ð": "đ", "ɖ": "đ", "Ð": "Đ", "Ɖ": "Đ"})
_WORD = re.compile(r"[^\W\d_]+")


def _clean(text: str) -> str:
    """NFC, lower case, compatibility letters folded; NFC comes last as lower() can decompose."""
    folded = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES).lower()
    kept = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFC", kept.translate(_LOOKALIKES))


def _strip_tone(word: str) -> tuple[str, Tone] | None:
    """Letters without the tone mark, and the tone; None when there are two marks."""
    tones: list[Tone] = []
    letters: list[str] = []
    for char in unicodedata.normalize("NFD", word):
        if char in _MARKS:
            if not letters or unicodedata.normalize("NFC", _last_letter(letters)) not in _VOWELS:
                return None
            tones.append(_MARKS[char])
        else:
            letters.append(char)
    if len(tones) > 1:
        return None
    return unicodedata.normalize("NFC", "".join(letters)), tones[0] if tones else Tone.NGANG


def _last_letter(letters: list[str]) -> str:
    """The last base letter with the marks (circumflex, breve, horn) that follow it."""
    start = len(letters) - 1
    while start > 0 and unicodedata.combining(letters[start]):
        start -= 1
    return "".join(letters[start:])


def _split(letters: str) -> tuple[str, str, str] | None:
    """Toneless letters -> (onset letters, vowel letters, coda letters), as they are written."""
    onset = next((o for o in _ONSETS if letters.startswith(o)), "")
    rest = letters[len(onset) :]
    if onset == "gi" and (not rest or rest[0] not in _VOWELS or rest[0] == "ê"):
        # "gì", "gìn", "giếng": the i is the vowel, or its first half
        rest = "i" + rest
    vowels = re.match(f"[{_VOWELS}]*", rest)
    assert vowels is not None  # the pattern matches the empty string
    found = vowels.group()
    coda = rest[len(found) :]
    if coda == "k":
        coda = "c"
    if not found or coda not in ("", *STOPS, "m", "n", "ng", "nh"):
        return None
    return onset, found, coda


def _rime(onset: str, vowels: str, coda: str) -> tuple[str, str, str] | None:
    """Written vowels and coda -> (medial, nucleus, coda with glides)."""
    core = _core(onset, vowels, closed=bool(coda))
    if core is not None:
        return (*core, coda)
    if coda or len(vowels) < 2 or vowels[-1] not in "iyou":
        return None
    core = _core(onset, vowels[:-1], closed=True)
    if core is None:
        return None
    medial, nucleus = core
    if nucleus == "a" and vowels[-1] in "yu":
        nucleus = "ă"  # "ay", "au" are spelled with a but said with the short vowel
    return medial, nucleus, "j" if vowels[-1] in "iy" else "w"


def _core(onset: str, vowels: str, *, closed: bool) -> tuple[str, str] | None:
    """Vowel letters without glide coda -> (medial, nucleus)."""
    if onset == "qu":
        if vowels == "ô":
            return "", "uô"  # quốc sounds as cuốc
        if vowels in ("ya", "ia"):
            return None if closed else ("w", "iê")
        nucleus = _SINGLE.get(vowels)
        return None if nucleus in (None, "u", "ư", "uô", "ươ", "o") else ("w", str(nucleus))
    if vowels in _ROUNDED:
        return "w", _ROUNDED[vowels]
    if not closed:
        if vowels == "uya":
            return "w", "iê"
        if vowels in _OPEN_ONLY:
            return "", _OPEN_ONLY[vowels]
    if vowels in _SINGLE:
        return "", _SINGLE[vowels]
    return None


def _allowed(medial: str, nucleus: str, coda: str, tone: Tone) -> bool:
    """Phonotactics that hold even for rare and borrowed syllables."""
    if coda in STOPS and tone not in (Tone.SAC, Tone.NANG):
        return False
    if coda == "" and nucleus in ("ă", "â"):
        return False
    if coda == "j" and nucleus in ("i", "ê", "e", "iê"):
        return False
    if coda == "w" and nucleus in ("u", "o", "ô", "ơ", "uô"):
        return False
    if coda in ("nh", "ch") and nucleus not in ("a", "ê", "i"):
        return False
    return not (medial and nucleus in ("u", "ư", "o", "ô", "uô", "ươ"))


@lru_cache(maxsize=16_384)  # more than the syllables of the language
def parse(text: str) -> Syllable | None:
    """One written syllable, in any Unicode form, to its parts; None when it is not one."""
    stripped = _strip_tone(_clean(text).strip())
    if stripped is None:
        return None
    letters, tone = stripped
    pieces = _split(letters)
    if pieces is None:
        return None
    onset, vowels, written_coda = pieces
    rime = _rime(onset, vowels, written_coda)
    if rime is None or not _allowed(*rime, tone):
        return None
    medial, nucleus, coda = rime
    return Syllable(_ONSET_CLASS.get(onset, onset), medial, nucleus, coda, tone)


def canonical(text: str) -> str:
    """The canonical spelling of a text; words that are no syllable are only lower-cased."""
    return _WORD.sub(lambda match: _canonical_word(match.group()), _clean(text))


@lru_cache(maxsize=16_384)
def _canonical_word(word: str) -> str:
    stripped = _strip_tone(word)
    if stripped is None or parse(word) is None:
        return word
    letters, tone = stripped
    pieces = _split(letters)
    assert pieces is not None  # parse() has succeeded
    onset, vowels, coda = pieces
    if onset == "gi" and vowels[0] == "i":
        onset = "g"  # the i was given to the vowel: gì, giếng
    if vowels == "y" and onset in ("h", "k", "l", "m", "s", "t") and not coda:
        vowels = "i"
    if onset == "qu" and vowels.startswith("i"):
        vowels = "y" + vowels[1:]
    return onset + _with_tone(vowels, coda, tone) + coda


def _with_tone(vowels: str, coda: str, tone: Tone) -> str:
    """The vowel letters with the tone mark at its old-style place."""
    if tone is Tone.NGANG:
        return vowels
    marked = [i for i, vowel in enumerate(vowels) if vowel in "ăâêôơư"]
    if marked:
        place = marked[-1]
    elif coda:
        place = len(vowels) - 1
    else:
        place = 1 if len(vowels) == 3 else 0
    toned = vowels[: place + 1] + _MARK_OF[tone] + vowels[place + 1 :]
    return unicodedata.normalize("NFC", toned)


def fold(text: str) -> str:
    """The text in lower case without any diacritic (``đ`` becomes ``d``)."""
    decomposed = unicodedata.normalize("NFD", _clean(text)).replace("đ", "d")
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", kept)


def spell(syllable: Syllable) -> str:
    """A canonical spelling of the parts (``d`` for the class that is also written ``gi``)."""
    front = syllable.nucleus in ("e", "ê", "i", "iê") and not syllable.medial
    onset = syllable.initial
    if onset == "k":
        onset = "qu" if syllable.medial else "k" if front else "c"
    elif onset in ("g", "ng") and front:
        onset += "h"
    core = _spell_core(syllable, onset)
    glide = {"j": "i", "w": "u"}.get(syllable.coda, "")
    if glide == "i" and syllable.nucleus in ("ă", "â"):
        glide = "y"
    elif glide == "u" and syllable.nucleus in ("a", "e"):
        glide = "o"
    closing = "" if glide else syllable.coda
    return canonical(onset + _with_tone(core + glide, closing, syllable.tone) + closing)


def _spell_core(syllable: Syllable, onset: str) -> str:
    nucleus, coda, medial = syllable.nucleus, syllable.coda, syllable.medial
    if nucleus == "ă" and coda in ("j", "w"):
        nucleus = "a"
    if not coda and nucleus in ("iê", "uô", "ươ"):
        nucleus = {"iê": "ya" if medial else "ia", "uô": "ua", "ươ": "ưa"}[nucleus]
    elif nucleus in ("i", "iê") and (medial or (not onset and nucleus == "iê")):
        nucleus = "y" + nucleus[1:]
    if medial and onset != "qu":
        nucleus = ("o" if nucleus[0] in "aăe" else "u") + nucleus
    return nucleus


def legal_syllables() -> Iterator[str]:
    """Canonical spellings of all syllables that the sound pattern allows, sorted, no repeats.

    These are some ten thousand more than the language uses; loans such as "buýt" (a rounded
    vowel after a labial) are left out although `parse` accepts them.
    """
    found: set[str] = set()
    for initial in INITIALS:
        for medial in ("", "w") if initial not in ("b", "m", "p", "ph", "v") else ("",):
            for nucleus in NUCLEI:
                for coda in CODAS:
                    for tone in Tone:
                        if _allowed(medial, nucleus, coda, tone):
                            whole = Syllable(initial, medial, nucleus, coda, tone)
                            written = spell(whole)
                            if parse(written) == whole:  # no letters exist for some, as "ing"
                                found.add(written)
    yield from sorted(found)
