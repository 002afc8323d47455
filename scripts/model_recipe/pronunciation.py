"""Phones of Vietnamese syllables, and the numbers Kaldi gives to phones and outputs.

Terms are Kaldi's.  A *phone* here is an initial (``ch-``), a toned nucleus with the rounding
glide folded in (``wiê4``), or a coda (``-n``).  Each base phone has two outputs ("pdfs"): one for
its first frame, one for the rest.  Phones carry their position in the word (``_B`` begin, ``_I``
internal, ``_E`` end, ``_S`` singleton), which word times need; the variants share the outputs.
"""

from collections.abc import Sequence

from ivr.spotting.syllable import CODAS, INITIALS, NUCLEI, Syllable, Tone, parse

SILENCE = "SIL"
NOISE = "SPN"  # speech that is not Vietnamese
POSITIONS = {"B": "begin", "I": "internal", "E": "end", "S": "singleton"}

_ROUNDED = ("a", "ah", "ă", "â", "e", "ê", "i", "ơ", "iê")


def _base_phones() -> tuple[str, ...]:
    plain = [*NUCLEI, "ah"] + ["w" + nucleus for nucleus in _ROUNDED]
    return (
        SILENCE,
        NOISE,
        *(f"{initial}-" for initial in INITIALS if initial),
        *(f"{nucleus}{int(tone)}" for nucleus in plain for tone in Tone),
        *(f"-{coda}" for coda in CODAS if coda),
    )


BASE_PHONES = _base_phones()
_BASE_INDEX = {phone: index for index, phone in enumerate(BASE_PHONES)}
OUTPUTS = 2 * len(BASE_PHONES)


def output_of(base: str, *, first: bool) -> int:
    """The network output of a base phone's first frame, or of its following frames."""
    return 2 * _BASE_INDEX[base] + (0 if first else 1)


def tone_of(base: str) -> int:
    """The tone of a nucleus phone, 0 for any other phone."""
    return int(base[-1]) if base[-1].isdigit() else 0


def phones_of_syllable(syllable: Syllable) -> list[str]:
    """Base phones of one syllable."""
    nucleus = syllable.nucleus
    if nucleus == "a" and syllable.coda in ("nh", "ch"):
        nucleus = "ah"  # a fronted, shorter vowel in every dialect
    toned = f"{syllable.medial}{nucleus}{int(syllable.tone)}"
    initial = [f"{syllable.initial}-"] if syllable.initial else []
    coda = [f"-{syllable.coda}"] if syllable.coda else []
    return [*initial, toned, *coda]


def phones_of(word: str) -> list[str]:
    """Base phones of a written syllable.

    Raises `ValueError` for a word that is no Vietnamese syllable: the lexicon must not have gaps.
    """
    syllable = parse(word)
    if syllable is None:
        message = f"no pronunciation for {word!r}"
        raise ValueError(message)
    return phones_of_syllable(syllable)


def with_positions(bases: Sequence[str]) -> list[str]:
    """Positional phones of a word's base phones."""
    if len(bases) == 1:
        return [f"{bases[0]}_S"]
    last = len(bases) - 1
    return [
        f"{base}_{'B' if index == 0 else 'E' if index == last else 'I'}"
        for index, base in enumerate(bases)
    ]


def base_of(phone: str) -> str:
    """The base phone of a positional phone."""
    return phone if phone == SILENCE else phone.rsplit("_", 1)[0]


def _positional_phones() -> tuple[str, ...]:
    found = [SILENCE, f"{NOISE}_S"]
    for base in BASE_PHONES[2:]:
        if base.endswith("-"):
            found.append(f"{base}_B")
        elif base.startswith("-"):
            found.append(f"{base}_E")
        else:
            found.extend(f"{base}_{position}" for position in POSITIONS)
    return tuple(found)


PHONES = _positional_phones()
PHONE_ID = {phone: index for index, phone in enumerate(PHONES, start=1)}  # 0 is epsilon

# (phone, state, output of the first frame, output of the following frames), sorted by phone
TRANSITION_TUPLES = [
    (
        PHONE_ID[phone],
        0,
        output_of(base_of(phone), first=True),
        output_of(base_of(phone), first=False),
    )
    for phone in PHONES
]


def forward_id(phone: str) -> int:
    """Transition id that a path emits on a phone's first frame.

    In Kaldi's chain convention the transition leaving a state comes before its self-loops; the
    k-th state (counted from 1) has self-loop id 2k-1 and forward id 2k.
    """
    return 2 * PHONE_ID[phone]


def self_loop_id(phone: str) -> int:
    """Transition id of a phone's following frames."""
    return 2 * PHONE_ID[phone] - 1
