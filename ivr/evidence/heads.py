"""Signed heads of the site's log: how long it was and what its Merkle root was, at one moment.

A head that left the house (to a partner, a regulator, a newspaper) can be held against the log
for ever: a log that was cut, changed or made anew is not consistent with it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.errors import EvidenceError
from ivr.evidence.algorithms import (
    PublicKey,
    fingerprint_of,
    from_b64url,
    header_of,
    read_public,
    verified_payload,
)
from ivr.evidence.canonical import canonical
from ivr.evidence.durable import SEALED, sync_folder, write_atomic
from ivr.evidence.keyring import Keyring
from ivr.evidence.layout import SHA256, SITE_HEAD
from ivr.evidence.signer import Signer

HEAD_TYPE: Final = "ivr-site-head"
_LARGEST = 1 << 16  # a head with a chain of certificates has some 10 kB

KeyOf = Callable[[str, int], PublicKey | None]
"""The public key of a fingerprint, if it counts for a head of that many lines."""


@dataclass(frozen=True, slots=True)
class SiteHead:
    """State of a site's log.

    Args:
        size: lines.
        root: Merkle root over them (RFC 9162), hex.
        chain: of the last line.
        at: when it was signed, RFC 3339.
        key_sha256: who signed.
        signed: the JWS, as JSON.
    """

    site: str
    size: int
    root: str
    chain: str
    at: str
    key_sha256: str
    signed: dict[str, Any]


def sign_head(site: str, size: int, root: str, chain: str, at: str, signer: Signer) -> bytes:
    """A signed head, as it is written."""
    payload = {"at": at, "chain": chain, "root": root, "site": site, "size": size}
    return canonical(signer.sign(canonical(payload), HEAD_TYPE))


def read_head(data: bytes, key_of: KeyOf, name: str = SITE_HEAD) -> SiteHead:
    """A head whose signature holds.

    Raises:
        EvidenceError: it is none, was changed, or its key is not accepted.
    """
    try:
        signed = json.loads(data) if len(data) <= _LARGEST else None
        if not isinstance(signed, dict) or canonical(signed) != data:
            raise ValueError("not canonical JSON (RFC 8785)")
        stated = json.loads(from_b64url(signed["payload"]))
        is_head = stated.keys() == {"at", "chain", "root", "site", "size"}
        digests = (stated["chain"], stated["root"])
        is_sane = type(stated["size"]) is int and stated["size"] > 0
        if not (is_head and is_sane and all(map(SHA256.fullmatch, digests))):
            raise ValueError("it does not say what a head says")
        kid = str(header_of(signed)["kid"])
        key = key_of(kid, stated["size"])
        if key is None:
            raise ValueError(f"it is signed by {kid}, a key that does not count here")
        verified_payload(signed, key, HEAD_TYPE)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, EvidenceError) as odd:
        raise EvidenceError(
            f"{name} is no signed head of a site log that counts here.",
            why=odd.why if isinstance(odd, EvidenceError) else str(odd),
            remedy="Get it again from where it came; give the key (--key, --keyring) it needs.",
        ) from odd
    return SiteHead(key_sha256=kid, signed=signed, **stated)


def keys_of(ring: Keyring | None, *own: bytes, trusted: str | None = None) -> KeyOf:
    """Keys that count for heads: those of the keyring, a revoked one for heads from before its
    revocation; besides, keys known otherwise.

    Args:
        own: public keys (PEM), for a kid that the keyring does not have.
        trusted: fingerprint that the keyring must lead from; None: from its first key.
    """
    known = {fingerprint_of(key): key for key in (read_public(pem, "the key") for pem in own)}

    def key_of(key_sha256: str, size: int) -> PublicKey | None:
        line = ring.endorsed.get(key_sha256) if ring else None
        if ring is None or line is None:
            return known.get(key_sha256)
        if trusted is not None and not ring.leads(trusted, key_sha256):
            return None
        revoked = ring.revoked.get(key_sha256)
        if revoked is not None and size > revoked.log_size:
            return None
        return read_public(line.public_pem.encode(), "the key in the keyring")

    return key_of


def read_head_file(path: Path, key_of: KeyOf) -> SiteHead:
    """`read_head` of a file.

    Raises:
        EvidenceError: as there, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as problem:
        raise EvidenceError(
            f"The signed head {path} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Check the path and its permissions.",
        ) from problem
    return read_head(data, key_of, path.name)


def published(folder: Path) -> tuple[Path, ...]:
    """Files of earlier heads, by name."""
    return tuple(sorted(folder.glob("*.jws")))


def publish(root: Path, folder: Path) -> Path | None:
    """Lay the present head into ``folder`` for outsiders, as ``<size>.jws``; None when the log has
    not grown since. Not checked here: what is published is what stands in the data folder.

    Raises:
        EvidenceError: the disk refused.
    """
    try:
        data = (root / SITE_HEAD).read_bytes()
        payload = json.loads(data)["payload"]
        size = int(json.loads(from_b64url(payload))["size"])
        target = folder / f"{size}.jws"
        if target.exists():
            return None
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomic(target, data, SEALED)
        sync_folder(folder.parent)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise EvidenceError(
            f"The head of the site log could not be laid into {folder}.",
            why=str(problem),
            remedy="Check the folder's permissions and free space; it is tried again.",
        ) from problem
    return target
