"""Files that are there after a power cut, whole or not at all."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SEALED = 0o444
OPEN = 0o644
_CHUNK = 1 << 20


def sync_folder(folder: Path) -> None:
    """Make names created or renamed in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new name is durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Make bytes that another part wrote durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _draft(path: Path) -> Path:
    """Where a file is written before it takes its name; fixed, so a crash leaves at most one."""
    return path.with_name(f".{path.name}.tmp")


def write_atomic(path: Path, data: bytes, mode: int = OPEN, draft: Path | None = None) -> None:
    """Write, fsync, rename, fsync the folder: readers see the old file or the new one.

    One writer at a time for one ``path``: callers hold a lock or own the folder.

    Args:
        draft: where to write first, on the same file system; default: a hidden file beside.
    """
    draft = draft or _draft(path)
    with suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def copy_atomic(source: Path, target: Path, mode: int = OPEN) -> None:
    """Copy of a file of any size, with the guarantees of `write_atomic`."""
    draft = _draft(target)
    with source.open("rb") as original, draft.open("wb") as copy:
        while chunk := original.read(_CHUNK):
            copy.write(chunk)
        copy.flush()
        os.fchmod(copy.fileno(), mode)
        os.fsync(copy.fileno())
    draft.replace(target)
    sync_folder(target.parent)


def sha256_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size in bytes, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


_held: set[int] = set()


def _drop_inherited() -> None:
    """A forked child (a recogniser) must not keep a case locked when its parent is killed.
    Closing its copy leaves the parent's lock as it is."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_drop_inherited)


def unlock(handle: int) -> None:
    """Give back what `try_lock` gave."""
    _held.discard(handle)
    os.close(handle)


def try_lock(folder: Path) -> int | None:
    """Take the folder for this process: a handle for `unlock`, or None if it is taken.

    The lock sits on the folder itself (flock), so it leaves no file behind, survives a rename
    and vanishes with the process that held it, however that process ended.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    _held.add(handle)
    return handle


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold a file or folder against other processes and threads for a moment."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
