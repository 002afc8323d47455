"""How far apart two syllables sound: weighted costs over (initial, medial, nucleus, coda, tone).

0 is the same sound, 1 is unrelated.  The pairs are mergers of northern, central and southern
speech (vPhon, Kirby 2008; the MFA dictionaries of Hanoi, Huế and Saigon) and what recognisers
write for them: real syllables with a wrong initial, coda or tone.  The tables are symmetric by
construction.  A region's profile may lower a cost, never raise it.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivr.spotting.syllable import CODAS, INITIALS, NUCLEI, Syllable, Tone

WEIGHT_INITIAL: Final = 1.0
WEIGHT_MEDIAL: Final = 0.3
WEIGHT_NUCLEUS: Final = 1.2
WEIGHT_CODA: Final = 0.8
WEIGHT_TONE: Final = 0.4
WEIGHT_SUM: Final = 3.7

Pairs = Mapping[frozenset[str], float]


class Region(StrEnum):
    """Whose mergers are lowered further; without one the table serves all three."""

    NORTH = "north"
    CENTRAL = "central"
    SOUTH = "south"


def _pairs(*rows: tuple[float, str]) -> Pairs:
    """Rows of (cost, "a/b c/d"); ``0`` stands for an absent part."""
    table: dict[frozenset[str], float] = {}
    for cost, listed in rows:
        for pair in listed.split():
            table[frozenset(part.replace("0", "") for part in pair.split("/"))] = cost
    return MappingProxyType(table)


INITIAL_PAIRS: Final = _pairs(
    (0.15, "tr/ch s/x"),
    (0.2, "r/d v/d"),
    (0.25, "l/n"),
    (0.3, "p/b"),
    (0.4, "r/g kh/h kh/k"),
    (0.45, "t/th t/đ đ/l n/nh nh/d"),
    (0.5, "0/h"),
    (0.55, "ph/h ph/v"),
    (0.6, "m/b g/kh"),
)
ROUNDED_ONSETS: Final = frozenset(("k", "", "h", "g"))  # qu, w, hw, gu merge in the south
ROUNDED_COST: Final = 0.25
NUCLEUS_PAIRS: Final = _pairs(
    (0.2, "â/ơ"),
    (0.25, "a/ă o/ô"),
    (0.35, "ô/ơ ê/e"),
    (0.4, "â/ă u/ư ô/uô ê/iê i/iê u/uô ư/ươ"),
    (0.5, "ô/u ê/i o/a"),
)
DIPHTHONG_LOSS: Final = _pairs((0.15, "i/iê u/uô ư/ươ"))  # before m, p and the glides
GLIDE_RIMES: Final = _pairs((0.2, "ư/i ươ/iê"))  # ưu/iu, ươu/iêu
LONG_SHORT_GLIDE: Final = 0.25 * WEIGHT_CODA / WEIGHT_NUCLEUS  # ai/ay, ao/au
CODA_PAIRS: Final = _pairs(
    (0.15, "n/ng t/c nh/n ch/t"),
    (0.3, "nh/ng ch/c"),
    (0.5, "m/n p/t m/p n/t ng/c nh/ch"),
)
CODA_AFTER_HIGH: Final = 0.35  # n/ng and t/c stay apart after i and ê
CODA_LOST: Final = 0.7
TONE_PAIRS: Final[Mapping[frozenset[Tone], float]] = MappingProxyType(
    {
        frozenset((Tone.HOI, Tone.NGA)): 0.05,
        frozenset((Tone.NGA, Tone.SAC)): 0.3,
        frozenset((Tone.NGA, Tone.NANG)): 0.35,
        frozenset((Tone.HOI, Tone.NANG)): 0.35,
        frozenset((Tone.NGANG, Tone.HUYEN)): 0.4,
        frozenset((Tone.HOI, Tone.HUYEN)): 0.4,
        frozenset((Tone.SAC, Tone.NGANG)): 0.5,
    }
)
TONE_OTHER: Final = 0.8

_LOWER_INITIAL: Final[Mapping[Region, Pairs]] = MappingProxyType(
    {
        Region.NORTH: _pairs((0.0, "tr/ch s/x r/d"), (0.15, "l/n")),
        Region.CENTRAL: _pairs((0.1, "v/d")),
        Region.SOUTH: _pairs((0.05, "v/d"), (0.25, "r/g")),
    }
)
_LOWER_CODA: Final[Mapping[Region, Pairs]] = MappingProxyType(
    {
        Region.NORTH: _pairs(),
        Region.CENTRAL: _pairs((0.05, "n/ng t/c")),
        Region.SOUTH: _pairs((0.05, "n/ng t/c nh/n ch/t")),
    }
)
_LOWER_TONE: Final[Mapping[Region, Mapping[frozenset[Tone], float]]] = MappingProxyType(
    {
        Region.NORTH: {frozenset((Tone.NGA, Tone.SAC)): 0.2},
        Region.CENTRAL: {
            frozenset((Tone.HOI, Tone.NGA)): 0.0,
            frozenset((Tone.NGA, Tone.NANG)): 0.15,
            frozenset((Tone.HOI, Tone.NANG)): 0.15,
        },
        Region.SOUTH: {frozenset((Tone.HOI, Tone.NGA)): 0.0},
    }
)


def _initial(a: Syllable, b: Syllable, region: Region | None) -> float:
    if a.initial == b.initial:
        return 0.0
    pair = frozenset((a.initial, b.initial))
    cost = INITIAL_PAIRS.get(pair, 1.0)
    if a.medial and b.medial and pair <= ROUNDED_ONSETS:
        cost = min(cost, ROUNDED_COST)
    if region is not None:
        cost = min(cost, _LOWER_INITIAL[region].get(pair, 1.0))
    return cost


def _medial(a: Syllable, b: Syllable) -> float:
    if a.medial == b.medial:
        return 0.0
    return 0.5 if {a.initial, b.initial} <= {"h", "k", "kh"} else 1.0


def _nucleus(a: Syllable, b: Syllable) -> float:
    if a.nucleus == b.nucleus:
        return 0.0
    pair = frozenset((a.nucleus, b.nucleus))
    cost = NUCLEUS_PAIRS.get(pair, 1.0)
    if a.coda == b.coda:
        if a.coda in ("m", "p", "j", "w"):
            cost = min(cost, DIPHTHONG_LOSS.get(pair, 1.0))
        if a.coda == "w":
            cost = min(cost, GLIDE_RIMES.get(pair, 1.0))
        if a.coda in ("j", "w") and pair == {"a", "ă"}:
            cost = LONG_SHORT_GLIDE
    return cost


def _coda(a: Syllable, b: Syllable, region: Region | None) -> float:
    if a.coda == b.coda:
        return 0.0
    pair = frozenset((a.coda, b.coda))
    if "" in pair:
        return CODA_LOST
    cost = CODA_PAIRS.get(pair, 1.0)
    if {a.nucleus, b.nucleus} & {"i", "ê"}:
        return CODA_AFTER_HIGH if pair in ({"n", "ng"}, {"t", "c"}) else cost
    if region is not None:
        cost = min(cost, _LOWER_CODA[region].get(pair, 1.0))
    return cost


def _tone(a: Tone, b: Tone, region: Region | None) -> float:
    if a == b:
        return 0.0
    pair = frozenset((a, b))
    cost = TONE_PAIRS.get(pair, TONE_OTHER)
    if region is not None:
        cost = min(cost, _LOWER_TONE[region].get(pair, 1.0))
    return cost


def _onset(a: Syllable, b: Syllable, region: Region | None) -> float:
    return WEIGHT_INITIAL * _initial(a, b, region) + WEIGHT_MEDIAL * _medial(a, b)


def _rime(a: Syllable, b: Syllable, region: Region | None) -> float:
    return WEIGHT_NUCLEUS * _nucleus(a, b) + WEIGHT_CODA * _coda(a, b, region)


def distance(a: Syllable, b: Syllable, region: Region | None = None) -> float:
    """0–1: how far the two sound apart; symmetric, 0 only for syllables that sound alike."""
    tone = WEIGHT_TONE * _tone(a.tone, b.tone, region)
    return (_onset(a, b, region) + _rime(a, b, region) + tone) / WEIGHT_SUM


def parts(a: Syllable, b: Syllable, region: Region | None = None) -> dict[str, float]:
    """The same distance, slot by slot; the values sum up to `distance`."""
    return {
        "initial": WEIGHT_INITIAL * _initial(a, b, region) / WEIGHT_SUM,
        "medial": WEIGHT_MEDIAL * _medial(a, b) / WEIGHT_SUM,
        "nucleus": WEIGHT_NUCLEUS * _nucleus(a, b) / WEIGHT_SUM,
        "coda": WEIGHT_CODA * _coda(a, b, region) / WEIGHT_SUM,
        "tone": WEIGHT_TONE * _tone(a.tone, b.tone, region) / WEIGHT_SUM,
    }


_ONSETS: Final = tuple((initial, medial) for initial in INITIALS for medial in ("", "w"))
_RIMES: Final = tuple((nucleus, coda) for nucleus in NUCLEI for coda in CODAS)
_ONSET_ID: Final = {onset: n for n, onset in enumerate(_ONSETS)}
_RIME_ID: Final = {rime: n for n, rime in enumerate(_RIMES)}


def indexes(syllable: Syllable) -> tuple[int, int, int]:
    """Rows of the tables of `tables` for this syllable."""
    return (
        _ONSET_ID[syllable.initial, syllable.medial],
        _RIME_ID[syllable.nucleus, syllable.coda],
        int(syllable.tone) - 1,
    )


@cache
def tables(
    region: Region | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Cost matrices over onsets, rimes and tones; their entries sum up to `distance`.

    No rule looks at onset and rime together, so three look-ups replace the slot rules and serve
    a whole vocabulary at once.
    """
    onsets = [Syllable(i, m, "a", "", Tone.NGANG) for i, m in _ONSETS]
    rimes = [Syllable("", "", n, c, Tone.NGANG) for n, c in _RIMES]
    tones = list(Tone)
    return (
        np.array([[_onset(a, b, region) for b in onsets] for a in onsets]) / WEIGHT_SUM,
        np.array([[_rime(a, b, region) for b in rimes] for a in rimes]) / WEIGHT_SUM,
        np.array([[WEIGHT_TONE * _tone(a, b, region) for b in tones] for a in tones]) / WEIGHT_SUM,
    )
