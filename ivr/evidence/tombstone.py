"""What remains of a deleted case: that there was one, who deleted it, when, why, by which rule.

``tombstones/<case_id>.jws.json`` is a JWS (General JSON with payload, canonical) of type
``ivr-tombstone``. It names no number and quotes no word of the call; with its digest in the log of
the site, a case that is gone is either deleted on record or missing.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ivr.errors import EvidenceError
from ivr.evidence.algorithms import PublicKey, from_b64url, header_of, verified_payload
from ivr.evidence.canonical import canonical
from ivr.evidence.durable import SEALED, write_atomic
from ivr.evidence.layout import TOMBSTONES
from ivr.evidence.signer import Signer

TOMBSTONE_TYPE: Final = "ivr-tombstone"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Payload of a tombstone.

    Args:
        at: of the deletion, RFC 3339.
        by: who, as in custody.
        custody_chain: chain of the case's last custody entry, ``purged``.
        label: of the verdict.
        rule: the setting that it followed, or ``by hand``.
        sealed_at: RFC 3339.
    """

    at: str
    by: str
    case_id: str
    custody_chain: str
    label: str
    reason: str
    rule: str
    seal_sha256: str
    sealed_at: str
    site: str

    def signed(self, signer: Signer) -> bytes:
        """The file's content."""
        return canonical(signer.sign(canonical(asdict(self)), TOMBSTONE_TYPE))


def tombstone_path(root: Path, case_id: str) -> Path:
    """Where it stands under the data folder ``root``."""
    return root / TOMBSTONES / f"{case_id}.jws.json"


def write_tombstone(root: Path, case_id: str, content: bytes) -> None:
    """Set it up, whole or not at all.

    Raises:
        OSError: the disk refused.
    """
    write_atomic(tombstone_path(root, case_id), content, SEALED)


def read_tombstone(path: Path, key_of: Callable[[str], PublicKey | None]) -> Tombstone:
    """A tombstone whose signature holds.

    Args:
        key_of: the public key of a fingerprint, if it counts here.

    Raises:
        EvidenceError: missing, changed, or signed by a key that does not count.
    """
    try:
        raw = path.read_bytes()
        signed = json.loads(raw)
        if canonical(signed) != raw:
            raise ValueError("not canonical JSON (RFC 8785)")
        kid = str(header_of(signed)["kid"])
        key = key_of(kid)
        if key is None:
            raise ValueError(f"it is signed by {kid}, a key that does not count here")
        verified_payload(signed, key, TOMBSTONE_TYPE)
        return Tombstone(**json.loads(from_b64url(signed["payload"])))
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise _unreadable(path, why) from problem
    except (ValueError, KeyError, TypeError, RecursionError, EvidenceError) as problem:
        raise _unreadable(path, str(problem)) from problem


def _unreadable(path: Path, why: str) -> EvidenceError:
    return EvidenceError(
        f"{path.name} is no tombstone that counts here.",
        why=why,
        remedy="Put it back from a copy; its digest is in the log of the site.",
    )
