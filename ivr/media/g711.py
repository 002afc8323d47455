"""Payloads that are sound: G.711 A-law and mu-law, decoded by table.

Own tables because the standard library's ``audioop`` ends with Python 3.12 (PEP 594) and a
table of 256 numbers needs no library. Expansion rules: ITU-T G.711, to 16-bit as in G.191.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 8000
Samples = npt.NDArray[np.int16]

STATIC_PAYLOADS: Final[Mapping[int, tuple[str, int]]] = {
    0: ("PCMU", RATE_HZ),
    8: ("PCMA", RATE_HZ),
    13: ("CN", RATE_HZ),
}
"""RFC 3551 section 6, and RFC 3389 for comfort noise: known without any SDP."""

SILENCE: Final[Mapping[str, int]] = {"PCMA": 0xD5, "PCMU": 0xFF}
"""The byte of each law that decodes nearest to zero."""


def _alaw_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = code >> 4 & 0x07, code & 0x0F
    low = (mantissa << 4) + 8
    high = (low + 0x100) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, low, high)
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


def _mulaw_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = code >> 4 & 0x07, code & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


_TABLES: Final[Mapping[str, Samples]] = {"PCMA": _alaw_table(), "PCMU": _mulaw_table()}


def is_audio(encoding: str) -> bool:
    """Whether payloads of this SDP encoding name are sound this room can decode."""
    return encoding.upper() in _TABLES


def decode(encoding: str, payload: bytes) -> Samples:
    """One int16 sample for each byte of ``payload``.

    Raises:
        KeyError: ``encoding`` is none for which ``is_audio`` holds.
    """
    return _TABLES[encoding.upper()][np.frombuffer(payload, dtype=np.uint8)]


class PayloadMap:
    """RTP payload type → encoding, as agreed so far; the newest agreement wins."""

    def __init__(self) -> None:
        self._agreed: dict[int, tuple[str, int]] = dict(STATIC_PAYLOADS)

    def agree(self, payload_types: Mapping[int, tuple[str, int]]) -> None:
        self._agreed.update(payload_types)

    def audio_encoding(self, payload_type: int) -> str | None:
        """The name to hand to ``decode``; None for what is not 8 kHz sound we can decode."""
        name, rate_hz = self._agreed.get(payload_type, ("", 0))
        return name if rate_hz == RATE_HZ and is_audio(name) else None

    def label(self, payload_type: int) -> str:
        """``PCMA/8000`` and the like, for people; the bare number when it was never agreed."""
        known = self._agreed.get(payload_type)
        return f"{known[0]}/{known[1]}" if known else str(payload_type)

    def is_known(self, payload_type: int) -> bool:
        return payload_type in self._agreed
