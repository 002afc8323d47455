"""A sealed case that is encrypted at rest: what of it stays readable, and who may change that.

<vault>/<case_id>/
  manifest.jws signer.pem custody.jsonl custody.head.jws reports/manifest.jws.tsr*   as they were
  locked.json      whose seal it is, and the digest of case.age; its presence is the commit
  case.age         everything else, as a tar, encrypted to a key of the case's own

The key of the case lies apart from it, encrypted to the site's recipients: without it nothing opens
case.age again, wherever copies of it are.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical
from ivr.evidence.durable import SEALED, write_atomic
from ivr.evidence.layout import COMMIT, CUSTODY, CUSTODY_HEAD, LOCKED, SHA256, SIGNER
from ivr.evidence.timestamp import TOKEN

FORMAT: Final = "ivr-locked/1"
CASE_AGE: Final = "case.age"
_CLEAR: Final = frozenset({COMMIT, SIGNER, CUSTODY, CUSTODY_HEAD})


@dataclass(frozen=True, slots=True)
class LockedRecord:
    """Content of locked.json.

    Args:
        seal_sha256: of manifest.json, which is inside.
        age_sha256, size: of case.age.
    """

    case_id: str
    seal_sha256: str
    age_sha256: str
    size: int


def is_locked(path: Path) -> bool:
    """Whether the case is encrypted."""
    return (path / LOCKED).exists()


def clear_files(path: Path) -> tuple[str, ...]:
    """Paths inside the case that stay readable."""
    return tuple(name for name in _files(path) if _is_clear(name))


def secret_files(path: Path) -> tuple[str, ...]:
    """Paths inside the case that are, or will be, inside case.age."""
    own = {LOCKED, CASE_AGE}
    return tuple(name for name in _files(path) if not _is_clear(name) and name not in own)


def write_locked(path: Path, record: LockedRecord) -> None:
    """The commit: from here on case.age is the case.

    Raises:
        OSError: the disk refused.
    """
    draft = path.parent / f".{path.name}.locked.tmp"  # outside: a crash leaves nothing in the case
    content = canonical({"format": FORMAT, **asdict(record)})
    write_atomic(path / LOCKED, content, SEALED, draft=draft)


def read_locked(path: Path) -> LockedRecord:
    """What an encrypted case says of itself.

    Raises:
        EvidenceError: it cannot be read, or is none.
    """
    try:
        raw = (path / LOCKED).read_bytes()
        stated = json.loads(raw)
        if canonical(stated) != raw or stated.pop("format") != FORMAT:
            raise ValueError(f"it is not canonical, or not {FORMAT}")
        record = LockedRecord(**stated)
        if not all(map(SHA256.fullmatch, (record.seal_sha256, record.age_sha256))):
            raise ValueError("it states no digests")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise EvidenceError(
            f"{LOCKED} of {path.name} cannot be read.",
            why=str(problem),
            remedy="Put it back from a copy of the case.",
        ) from problem
    return record


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Keep a case as it is, readable or encrypted, while it is read; other readers may, too. A
    folder that is no sealed case is left to whoever reads it to refuse."""
    if not (path / COMMIT).exists():
        yield
        return
    handle = os.open(path / COMMIT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def changing(path: Path) -> Iterator[bool]:
    """Keep readers out while a case is being encrypted or opened; False: somebody reads."""
    handle = os.open(path / COMMIT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _is_clear(name: str) -> bool:
    return name in _CLEAR or name.startswith(TOKEN)


def _files(path: Path) -> tuple[str, ...]:
    """Every file, by name.

    Raises:
        EvidenceError: a link or a special file, which no case holds.
    """
    found = []
    for folder, folders, files in os.walk(path):
        for each in (*folders, *files):
            entry = Path(folder, each)
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise EvidenceError(
                    f"{path.name} holds {entry.relative_to(path)}, neither file nor folder.",
                    why="links and special files are no evidence",
                    remedy="Run `ivr verify` on the case.",
                )
        found += [Path(folder, each).relative_to(path).as_posix() for each in files]
    return tuple(sorted(found))
