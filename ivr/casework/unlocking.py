"""Reads cases that may be encrypted: the one door for every reader of a case's files.

An encrypted case is opened into a folder of its own under ``[encryption] work_dir``. Only this user
may enter it, and it goes when the reader is done; one that a killed process left goes at the next
start (`clean_work`).
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ivr.casework.locking import copy_clear, drop_clear_and_unlock, settle, tidy
from ivr.casework.places import Places
from ivr.errors import EnvironmentProblem, EvidenceError
from ivr.evidence.age_files import open_into, pyrage, read_identities, unlock_files
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.custody import Custodian, CustodyAction, append_custody
from ivr.evidence.durable import try_lock, unlock, waiting_lock
from ivr.evidence.heads import keys_of
from ivr.evidence.keyring import Keyring
from ivr.evidence.layout import CASES, CUSTODY, CUSTODY_HEAD, KEYRING, MANIFEST
from ivr.evidence.locked import CASE_AGE, changing, is_locked, read_locked, reading
from ivr.evidence.log_proofs import INCLUSION, inclusion
from ivr.settings import Settings

_PREFIX = "open-"


@contextmanager
def unlocked(path: Path, settings: Settings) -> Iterator[Path]:
    """The case as a readable folder with its id for a name: itself, or an opened copy that is gone
    after the block. Custody is entered at the case itself, never at the copy.

    Args:
        path: a case folder, wherever it lies.

    Raises:
        EnvironmentProblem: it is encrypted, and no identity or no key of it is here.
        EvidenceError: it cannot be decrypted, or is not the case that was sealed.
    """
    with reading(path):
        if not is_locked(path):
            yield path
            return
        places = Places.of(settings)
        with _working_folder(places.work) as work:
            case = work / CASES / path.name
            try:
                case.mkdir(parents=True, mode=0o700)
                _open(path, case, settings)
                copy_clear(path, case)
                _copy_keyring(places.root, work)
                _lay_proof_beside(case, places.root)
            except OSError as problem:
                raise _no_room(path, places.work, problem) from problem
            yield case


def is_opened_copy(path: Path) -> bool:
    """Whether a path is one that `unlocked` gave for an encrypted case."""
    return path.parent.name == CASES and path.parent.parent.name.startswith(_PREFIX)


def renew_custody(case: Path, copy: Path) -> None:
    """Entries that were made since the copy was opened, into the copy.

    Raises:
        EvidenceError: the disk refused.
    """
    if case == copy:
        return
    with still_custody(case, copy):
        pass


@contextmanager
def still_custody(case: Path, copy: Path) -> Iterator[None]:
    """`renew_custody`, and no entry is made at the case until the end of the block.

    Raises:
        EvidenceError: the disk refused.
    """
    with waiting_lock(case):
        try:
            for name in (CUSTODY, CUSTODY_HEAD):
                shutil.copyfile(case / name, copy / name)
        except OSError as problem:
            raise _no_room(case, copy.parent, problem) from problem
        yield


def unlock_case(
    path: Path, settings: Settings, custodian: Custodian, *, actor: str, reason: str
) -> bool:
    """Make a case of the vault readable again, until the next sweep encrypts it anew; False when it
    is, or somebody reads it now.

    Raises:
        EnvironmentProblem, EvidenceError: as `unlocked`.
    """
    places = Places.of(settings)
    try:
        with changing(path) as is_free:
            if not is_free or not is_locked(path):
                return False
            tidy(path, places)
            try:
                _open(path, path, settings)
                settle(path)
            except BaseException:  # whatever ends it, half must not stay readable; raised on
                tidy(path, places)
                raise
            append_custody(path, CustodyAction.UNLOCKED, custodian, actor=actor, reason=reason)
            drop_clear_and_unlock(path, places)
    except OSError as problem:
        raise _no_room(path, path, problem) from problem
    return True


def clean_work(work: Path) -> int:
    """Remove opened copies that killed processes left; returns how many.

    Raises:
        OSError: the disk refused.
    """
    if not work.is_dir():
        return 0
    count = 0
    with waiting_lock(work):
        for folder in work.glob(f"{_PREFIX}*"):
            lock = try_lock(folder)
            if lock is not None:
                shutil.rmtree(folder)
                unlock(lock)
                count += 1
    return count


@contextmanager
def _working_folder(work: Path) -> Iterator[Path]:
    try:
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        with waiting_lock(work):  # `clean_work` must not find it before it is held
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=work))
            lock = try_lock(folder)
    except OSError as problem:
        raise EnvironmentProblem(
            f"Encrypted cases cannot be opened in {work}.",
            why=problem.strerror or str(problem),
            remedy="Check [encryption] work_dir: this user must be able to write there.",
        ) from problem
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        if lock is not None:
            unlock(lock)


def _open(path: Path, into: Path, settings: Settings) -> None:
    """Decrypt case.age, and hold what came out against the seal."""
    stated = read_locked(path)
    unlock_files(path / CASE_AGE, into, case_identities(path, settings))
    manifest = into / MANIFEST
    found = sha256_hex(manifest.read_bytes()) if manifest.exists() else "nothing"
    if found != stated.seal_sha256:
        raise EvidenceError(
            f"What {CASE_AGE} of {path.name} holds is not the case that was sealed.",
            why=f"its manifest is {found}, sealed was {stated.seal_sha256}",
            remedy="Put the case back from a copy.",
        )


def case_identities(path: Path, settings: Settings) -> tuple[object, ...]:
    """The case's own key, opened with the site's identity.

    Raises:
        EnvironmentProblem: no identity, or no key of this case, is here.
        EvidenceError: the identity does not open it.
    """
    identity_file = settings.encryption.identity_file
    key = Places.of(settings).case_key(path.name)
    if identity_file is None:
        raise _closed(
            path, "no [encryption] identity_file is set", "Set it, or read it where it is."
        )
    if not key.exists():
        raise _closed(
            path, f"its key {key} is not there", "Put it back from its copy, if there is one."
        )
    sink = _Text()
    open_into(key, sink, read_identities(identity_file))
    library = pyrage()
    return (library.x25519.Identity.from_str(sink.data.decode("ascii").strip()),)


class _Text:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes, /) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


def _copy_keyring(root: Path, work: Path) -> None:
    """Where the verifier looks for the keyring of the site that a case lies in."""
    if (root / KEYRING).exists():
        (work / KEYRING).parent.mkdir(mode=0o700)
        shutil.copyfile(root / KEYRING, work / KEYRING)


def _lay_proof_beside(case: Path, root: Path) -> None:
    """Once a key was revoked here, the site's log alone shows what is older: its proof goes to
    where an export has it. What is wrong with keyring or log is for the verifier to say."""
    with suppress(EvidenceError):
        ring = Keyring.of_site(root)
        if ring is not None and ring.revoked:
            proof = inclusion(root, case.name, keys_of(ring))
            (case.parent / INCLUSION).write_bytes(proof)


def _closed(path: Path, why: str, remedy: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The case {path.name} is encrypted and cannot be read here.", why=why, remedy=remedy
    )


def _no_room(path: Path, work: Path, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"The encrypted case {path.name} could not be opened.",
        why=f"{problem.filename or ''} {problem.strerror or problem}".strip(),
        remedy=f"Check free space and permissions of {work}.",
    )
