"""Encrypts sealed cases at rest, each to a key of its own, and undoes it.

Locking: the case's new key, encrypted to the site's recipients, is on the disk first; case.age is
written, opened again piece by piece and compared; custody tells of it with its digest; locked.json
is the commit; then the readable files go. Whatever is cut off, `tidy` brings a case back to one of
the two states.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ivr.casework.places import Places
from ivr.errors import EvidenceError
from ivr.evidence.age_files import digest_of_plain, lock_files, pyrage, read_recipients
from ivr.evidence.custody import Custodian, CustodyAction, append_custody
from ivr.evidence.durable import SEALED, sha256_file, sync_file, sync_folder, write_atomic
from ivr.evidence.layout import LOCKED, is_sealed, seal_digest
from ivr.evidence.locked import (
    CASE_AGE,
    LockedRecord,
    changing,
    clear_files,
    is_locked,
    secret_files,
    write_locked,
)

if TYPE_CHECKING:
    from pyrage import x25519


def lock_case(
    path: Path, places: Places, custodian: Custodian, recipients_file: Path, *, actor: str
) -> bool:
    """Encrypt a sealed case of the vault.

    Returns:
        False when it is encrypted already, or somebody reads it now.

    Raises:
        EvidenceError: what was written did not open again, custody refused, or a disk did.
        SettingsError, EnvironmentProblem: the recipients or the library cannot be used.
    """
    recipients = read_recipients(recipients_file)
    try:
        with changing(path) as is_free:
            if not is_free or is_locked(path) or not is_sealed(path):
                return False
            tidy(path, places)
            try:
                _lock(path, places, custodian, recipients, actor)
            except BaseException:  # a cancelled task, too, must leave one whole state; raised on
                tidy(path, places)
                raise
    except OSError as problem:
        raise _refused(path, "encrypted", problem) from problem
    return True


def tidy(path: Path, places: Places) -> bool:
    """Bring a case back to one state that an interrupted change left between two; whether there was
    anything to do. Hold `changing`.

    Raises:
        EvidenceError: locked.json stands without case.age: nothing is touched.
        OSError: the disk refused.
    """
    if not is_locked(path):
        begun = (_draft(path), path / CASE_AGE)
        if not any(file.exists() for file in begun):
            return False
        for file in begun:
            file.unlink(missing_ok=True)
        _drop_key(path, places)
        return True
    if not (path / CASE_AGE).exists():
        raise EvidenceError(
            f"{CASE_AGE} of {path.name} is gone.",
            why=f"{LOCKED} says that the case is in it",
            remedy="Put it back from a copy of the case.",
        )
    left = secret_files(path)
    _remove(path, left)
    return bool(left)


def drop_clear_and_unlock(path: Path, places: Places) -> None:
    """The commit of opening a case for good: from here on its files are the case.

    Raises:
        OSError: the disk refused.
    """
    (path / LOCKED).unlink()
    sync_folder(path)
    (path / CASE_AGE).unlink()
    _drop_key(path, places)


def _lock(
    path: Path,
    places: Places,
    custodian: Custodian,
    recipients: "Sequence[x25519.Recipient]",
    actor: str,
) -> None:
    age = pyrage()
    identity = age.x25519.Identity.generate()
    key = age.encrypt(f"{identity}\n".encode(), list(recipients))
    places.case_keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(places.case_key(path.name), key, 0o600)
    draft = _draft(path)
    seal_sha256 = seal_digest(path)
    plain_sha256, _ = lock_files(path, secret_files(path), draft, identity.to_public())
    if digest_of_plain(draft, [identity]) != plain_sha256:
        raise EvidenceError(
            f"The case {path.name} was not encrypted.",
            why="what was written does not open to what was read",
            remedy="Check the disk and the memory of this machine; the case is untouched.",
        )
    age_sha256, size = sha256_file(draft)
    draft.rename(path / CASE_AGE)
    sync_folder(path)
    append_custody(
        path,
        CustodyAction.LOCKED,
        custodian,
        actor=actor,
        reason="encrypted at rest",
        facts={"age_sha256": age_sha256, "recipients": [str(each) for each in recipients]},
    )
    write_locked(path, LockedRecord(path.name, seal_sha256, age_sha256, size))
    _remove(path, secret_files(path))


def _draft(path: Path) -> Path:
    """Beside the case: what is unfinished must not look like a file of it."""
    return path.parent / f".{path.name}.age.tmp"


def _remove(path: Path, names: Sequence[str]) -> None:
    """Files that are in case.age, and the folders that they leave empty."""
    for name in names:
        (path / name).unlink()
    for folder in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    sync_folder(path)


def _drop_key(path: Path, places: Places) -> None:
    """The key of a case that is readable."""
    sync_folder(path)
    key = places.case_key(path.name)
    if key.exists():
        key.unlink()
        sync_folder(key.parent)


def copy_clear(path: Path, target: Path) -> None:
    """What stays readable of an encrypted case, beside what came out of it."""
    for name in clear_files(path):
        (target / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(path / name, target / name)


def settle(path: Path) -> None:
    """What came out of case.age as it was before: on the disk, and not to be written.

    Raises:
        OSError: the disk refused.
    """
    for name in secret_files(path):
        (path / name).chmod(SEALED)
    for entry in sorted(path.rglob("*")):
        sync_folder(entry) if entry.is_dir() else sync_file(entry)
    sync_folder(path)


def _refused(path: Path, done: str, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"The case {path.name} could not be {done}.",
        why=f"{problem.filename or ''} {problem.strerror or problem}".strip(),
        remedy="Check free space and permissions; the case is as it was, and it is tried again.",
    )
