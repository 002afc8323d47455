"""What an RTP payload type means: agreed by SDP, or static (RFC 3551 section 6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivr.media.codecs import DECODED

COMFORT_NOISE: Final = "CN"

STATIC_PAYLOADS: Final[Mapping[int, tuple[str, int]]] = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: (COMFORT_NOISE, 8000),
}
"""RFC 3551 section 6, and RFC 3389 for comfort noise: known without any SDP."""

CLOCKS_HZ: Final[Mapping[str, tuple[int, ...]]] = {
    "PCMA": (8000,),
    "PCMU": (8000,),
    "G722": (8000, 16000),
    "GSM": (8000,),
    "ILBC": (8000,),
    "SPEEX": (8000, 16000),
    COMFORT_NOISE: (8000, 16000),
}
"""Clock rates an SDP may give the payloads that take time on a leg."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How a payload sounds.

    Args:
        name: SDP encoding name in capitals.
        clock_hz: what its time stamps count. G.722 counts 8000 although it samples at 16,000, by
            an error that RFC 3551 section 4.5.2 keeps; an SDP that says 16,000 means the same.
    """

    name: str
    clock_hz: int

    @property
    def is_sound(self) -> bool:
        """False for comfort noise: it takes time, and is silence here."""
        return self.name != COMFORT_NOISE


class PayloadMap:
    """RTP payload type → encoding, as agreed so far; the newest agreement wins."""

    def __init__(self) -> None:
        self._agreed: dict[int, tuple[str, int]] = dict(STATIC_PAYLOADS)
        self._codings: dict[int, Coding] = {}
        self.agree({})

    def agree(self, payload_types: Mapping[int, tuple[str, int]]) -> None:
        self._agreed.update(payload_types)
        found = {number: _coding(name, rate) for number, (name, rate) in self._agreed.items()}
        self._codings = {number: coding for number, coding in found.items() if coding is not None}

    def coding(self, payload_type: int) -> Coding | None:
        """None for what takes no time on the leg (telephone events) or is not decoded here."""
        return self._codings.get(payload_type)

    def label(self, payload_type: int) -> str:
        """``PCMA/8000`` and the like, for people; the bare number when it was never agreed."""
        known = self._agreed.get(payload_type)
        return f"{known[0]}/{known[1]}" if known else str(payload_type)

    def is_known(self, payload_type: int) -> bool:
        return payload_type in self._agreed


def _coding(name: str, rate_hz: int) -> Coding | None:
    name = name.upper()
    if rate_hz not in CLOCKS_HZ.get(name, ()) or name not in DECODED | {COMFORT_NOISE}:
        return None
    return Coding(name, 8000 if name == "G722" else rate_hz)
