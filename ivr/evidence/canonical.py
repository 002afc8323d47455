"""The one JSON writer of the room: RFC 8785, so the same facts are always the same bytes."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import rfc8785

from ivr.clock import to_iso
from ivr.errors import EvidenceError


def plain(value: Any) -> Any:
    """Facts as JSON values: dataclasses and mappings to objects, times to RFC 3339, enums to
    their values. A lone surrogate (a SIP header that was no UTF-8) becomes ``\\udcXX`` in plain
    letters: JSON cannot carry it, and the untouched bytes are in the kept INVITE."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return to_iso(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(item) for item in value]
    raise EvidenceError(
        "A fact cannot be written into the case.",
        why=f"{type(value).__name__} has no JSON form",
        remedy="Pass text, numbers, times, lists, mappings or facts; this is a fault in the code.",
    )


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of ``value`` (see `plain`), without a line end.

    Raises:
        EvidenceError: the value has no JSON form: bytes, NaN, an integer beyond 2**53 - 1.
    """
    try:
        return rfc8785.dumps(plain(value))
    except rfc8785.CanonicalizationError as problem:
        raise EvidenceError(
            "A fact cannot be written into the case.",
            why=str(problem),
            remedy="Only finite numbers within 2**53 have one JSON form; fix the caller.",
        ) from problem


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of ``value``, e.g. of the settings in force."""
    return sha256_hex(canonical(value))
