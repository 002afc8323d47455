"""A copy by `ivr redact`, taken for what it says only after its list and its files were checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ivr.casefile import SealedCase
from ivr.casework.redacting import LIST, PURPOSE, SIGNATURE
from ivr.errors import EvidenceError
from ivr.evidence.algorithms import PublicKey, fingerprint_of, read_public, verified_payload
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.durable import sha256_file
from ivr.evidence.keyring import Keyring
from ivr.evidence.layout import SIGNER

PLACE: Final = "redaction/"
"""Where its papers stand in a vCon."""


@dataclass(frozen=True, slots=True)
class RedactedCopy:
    """A redacted copy of one case.

    Args:
        files: original's path in the case to the file that stands for it.
        papers: list, signature and key, to be carried along.
    """

    files: Mapping[str, Path]
    papers: Mapping[str, bytes]
    list_sha256: str

    @classmethod
    def read(cls, folder: Path, case: SealedCase, ring: Keyring | None) -> Self:
        """Raises EvidenceError: of another case, signed by another site, or changed since."""
        try:
            papers = {name: (folder / name).read_bytes() for name in (LIST, SIGNATURE, SIGNER)}
            key = read_public(papers[SIGNER], SIGNER)
            own = fingerprint_of(key)
            if own not in (ring.endorsed if ring else ()) and papers[SIGNER] != _seal_key(case):
                raise ValueError(f"it is signed by {own}, no key of this site")
            listed = listed_in(papers[LIST], papers[SIGNATURE], key)
            if (listed["case_id"], listed["seal_sha256"]) != (
                case.sealed.case_id,
                case.sealed.seal_sha256,
            ):
                raise ValueError(f"it is of the case {listed['case_id']}")
            files = {}
            for entry in listed["files"]:
                file = folder / Path(entry["path"]).name
                if sha256_file(file)[0] != entry["sha256"]:
                    raise ValueError(f"{file.name} was changed")
                files[str(entry["parent"])] = file
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
            raise EvidenceError(
                f"{folder} is no redacted copy of the case {case.sealed.case_id}.",
                why=str(problem),
                remedy="Make one with `ivr redact`, and do not change it afterwards.",
            ) from problem
        carried = {f"{PLACE}{name}": content for name, content in papers.items()}
        return cls(files, carried, sha256_hex(papers[LIST]))

    def file_of(self, name: str) -> Path | None:
        """What stands for a file of the case; None: it was left out."""
        return self.files.get(name)


def listed_in(listed: bytes, signed: bytes, key: PublicKey) -> dict[str, Any]:
    """The list of a redacted copy that ``key`` signed.

    Raises:
        ValueError, KeyError, TypeError: changed, or none.
    """
    if verified_payload(json.loads(signed), key, PURPOSE) != listed:
        raise ValueError(f"{SIGNATURE} is of another list")
    found: dict[str, Any] = json.loads(listed)
    return found


def _seal_key(case: SealedCase) -> bytes:
    return (case.sealed.path / SIGNER).read_bytes()
