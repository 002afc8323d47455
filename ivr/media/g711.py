"""G.711 A-law and mu-law, decoded by table.

Own tables because the standard library's ``audioop`` ends with Python 3.12 (PEP 594) and a
table of 256 numbers needs no library. Expansion rules: ITU-T G.711, to 16-bit as in G.191.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 8000
Samples = npt.NDArray[np.int16]

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


def decode(encoding: str, payload: bytes) -> Samples:
    """One int16 sample for each byte of ``payload``.

    Raises:
        KeyError: ``encoding`` is neither ``PCMA`` nor ``PCMU``.
    """
    return _TABLES[encoding][np.frombuffer(payload, dtype=np.uint8)]
