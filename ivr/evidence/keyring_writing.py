"""New lines of the keyring; each is judged before it is written."""

import os
from contextlib import suppress
from pathlib import Path

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence.algorithms import fingerprint_of, read_public
from ivr.evidence.canonical import canonical
from ivr.evidence.durable import SEALED, sync_folder, write_atomic
from ivr.evidence.keyring import (
    FIRST_KEY,
    KEYRING_TYPE,
    NAME,
    NOTHING_BEFORE,
    Act,
    Keyring,
    broken,
    keyring_path,
)
from ivr.evidence.signer import Signer, publish


def begin_keyring(root: Path, site: str, signer: Signer, clock: Clock) -> Keyring:
    """The first line, with the first key beside it for handing out. Of two processes that do so
    at once one wins, and both then read the same line.

    Raises:
        EvidenceError: the disk refused, or sealed cases show that there was a keyring before.
    """
    path = keyring_path(root)
    log = root / "site-log.jsonl"
    is_sealed_on = log.exists() and log.stat().st_size  # looked at first: the keyring is older
    if is_sealed_on and not path.exists():
        raise EvidenceError(
            f"The keyring {path} is missing.",
            why=f"{log} shows that this site has sealed before",
            remedy="Put it back from its copy; every export carries one (data/keyring.jsonl).",
        )
    at = to_iso(clock.now())
    line = signed_line(Act.ENDORSE, signer, signer.public_pem, site=site, log_size=0, at=at)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{NAME}.{os.getpid()}")
        write_atomic(draft, line + b"\n", SEALED)
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        sync_folder(path.parent)
    except OSError as problem:
        raise broken(f"{path}: {problem.strerror or problem}") from problem
    ring = Keyring.read(path)
    publish(path.with_name(FIRST_KEY), ring.first.public_pem.encode())
    return ring


def signed_line(
    act: Act,
    signer: Signer,
    public_pem: bytes,
    *,
    site: str,
    log_size: int,
    at: str,
    previous: str = NOTHING_BEFORE,
    reason: str = "",
) -> bytes:
    """A line for `append`, without its line feed."""
    key = read_public(public_pem, "the key")
    said = {
        "act": act,
        "at": at,
        "key_sha256": fingerprint_of(key),
        "log_size": log_size,
        "previous": previous,
        "public_pem": public_pem.decode(),
        "reason": reason,
        "site": site,
    }
    return canonical(signer.sign(canonical(said), KEYRING_TYPE))


def append(root: Path, line: bytes) -> Keyring:
    """The keyring with one more line; what would not count is not written. The caller holds the
    folder of the keys.

    Raises:
        EvidenceError: the line does not count, or the disk refused; nothing was changed.
    """
    path = keyring_path(root)
    try:
        data = path.read_bytes() + line + b"\n"
        ring = Keyring.parse(data)
        write_atomic(path, data, SEALED)
    except OSError as problem:
        raise broken(f"{path}: {problem.strerror or problem}") from problem
    return ring
