"""Files in the age format (https://age-encryption.org/v1, by pyrage), read and written in pieces.

Any age program opens them: ``age -d -i IDENTITY FILE``. age seals pieces of 64 KiB and the end of
the file, so what is opened is whole and unchanged, or an error.
"""

import hashlib
import io
import os
import stat
import tarfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ivr.errors import EnvironmentProblem, EvidenceError, SettingsError

if TYPE_CHECKING:
    from pyrage import x25519

_CHUNK = 1 << 20
INSTALL = "pip install 'ivr[age]'"


class Sink(Protocol):
    """What takes bytes: a file, a digest."""

    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...


def pyrage() -> Any:
    """The library.

    Raises:
        EnvironmentProblem: the extra ``age`` is not installed.
    """
    try:
        import pyrage as library
    except ImportError as problem:
        raise EnvironmentProblem(
            "Encrypted cases cannot be handled here.",
            why=f"the package pyrage is not installed: {problem}",
            remedy=f"{INSTALL}, or scripts/setup, which installs it.",
        ) from problem
    return library


def read_recipients(file: Path) -> "tuple[x25519.Recipient, ...]":
    """Recipients of a file, one a line (``age1…``); lines with ``#`` are comments.

    Raises:
        SettingsError: it cannot be read, holds none, or something else.
        EnvironmentProblem: as `pyrage`.
    """
    library = pyrage()
    try:
        found = tuple(library.x25519.Recipient.from_str(line) for line in _lines(file))
    except (OSError, ValueError, library.RecipientError) as problem:
        raise _unusable(file, str(problem), "It holds lines that begin with age1.") from problem
    if not found:
        raise _unusable(file, "it holds no recipient", "Put a line age1… into it.")
    return found


def read_identities(file: Path) -> "tuple[x25519.Identity, ...]":
    """Identities of a file (``AGE-SECRET-KEY-1…``, as age-keygen writes them); the newest may stand
    beside older ones.

    Raises:
        SettingsError: it cannot be read, others may read it, it holds none, or something else.
        EnvironmentProblem: as `pyrage`.
    """
    library = pyrage()
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise _unusable(file, "others may read it", f"chmod 600 {file}")
        found = tuple(library.x25519.Identity.from_str(line) for line in _lines(file))
    except (OSError, ValueError, library.IdentityError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "a line is no age identity"
        raise _unusable(
            file, str(why), "It holds lines that begin with AGE-SECRET-KEY-1."
        ) from None
    if not found:
        raise _unusable(file, "it holds no identity", "Put the line AGE-SECRET-KEY-1… into it.")
    return found


def _lines(file: Path) -> list[str]:
    lines = [line.strip() for line in file.read_text(encoding="ascii").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _unusable(file: Path, why: str, remedy: str) -> SettingsError:
    return SettingsError(f"The age file {file} cannot be used.", why=why, remedy=remedy)


def lock_files(folder: Path, names: Sequence[str], target: Path, recipient: Any) -> tuple[str, int]:
    """Write files of a folder as an encrypted tar, flushed to the disk.

    Args:
        names: paths inside ``folder``, with ``/``.
        target: a new file.

    Returns:
        SHA-256 (hex) and size in bytes of the plain tar.

    Raises:
        OSError: the disk refused, or a file changed its size meanwhile.
    """
    source = _TarSource(folder, names)
    with target.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        pyrage().encrypt_io(source, file, [recipient])
        file.flush()
        os.fsync(file.fileno())
    return source.digest.hexdigest(), source.size


def open_into(source: Path, sink: Sink, identities: Sequence[Any]) -> None:
    """Decrypt a file into ``sink``, piece by piece; what was taken counts only when this returns.

    Raises:
        EvidenceError: not for these identities, changed, or cut.
        OSError: ``sink`` or the disk refused.
    """
    library = pyrage()
    try:
        with source.open("rb") as file:
            library.decrypt_io(file, sink, list(identities))
    except library.DecryptError as problem:
        raise _not_opened(source, str(problem)) from problem
    except OSError as problem:
        if problem.errno is not None:  # the disk's own; age's have none
            raise
        raise _not_opened(source, f"{problem}: it was changed or cut") from problem


def unlock_files(source: Path, folder: Path, identities: Sequence[Any]) -> None:
    """Unpack what `lock_files` wrote; on an error, what is in ``folder`` is worth nothing.

    Raises:
        EvidenceError: as `open_into`, or it is no such tar.
        OSError: the disk refused.
    """
    reading, writing = os.pipe()
    faults: list[Exception] = []

    def decrypt() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                open_into(source, pipe, identities)
        except (EvidenceError, OSError) as problem:  # raised in the caller's thread
            faults.append(problem)

    thread = threading.Thread(target=decrypt, name="age")
    thread.start()
    fault: Exception | None = None
    try:
        with os.fdopen(reading, "rb") as pipe:
            try:
                with tarfile.open(fileobj=pipe, mode="r|") as archive:
                    archive.extractall(folder, filter="data")
            except tarfile.TarError as problem:
                fault = _not_opened(source, f"it holds no tar: {problem}")
            while pipe.read(_CHUNK):  # to the end, or the other thread would wait
                pass
    finally:
        thread.join()
    faults += [] if fault is None else [fault]
    if faults:
        raise faults[0]


def digest_of_plain(source: Path, identities: Sequence[Any]) -> str:
    """SHA-256 (hex) of what a file holds when it is decrypted.

    Raises:
        EvidenceError, OSError: as `open_into`.
    """
    sink = _Digest()
    open_into(source, sink, identities)
    return sink.digest.hexdigest()


def _not_opened(source: Path, why: str) -> EvidenceError:
    return EvidenceError(
        f"{source.name} of {source.parent.name} cannot be decrypted.",
        why=why,
        remedy="Check [encryption] identity_file; put a changed file back from a copy.",
    )


class _Digest:
    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


class _TarSource:
    """A tar of files, made while it is read: nothing is kept but one piece."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.digest, self.size = hashlib.sha256(), 0
        self._pieces = _tar(folder, names)
        self._rest = io.BytesIO()

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of a piece."""
        data = self._rest.read(size)
        while not data:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self.digest.update(piece)
            self.size += len(piece)
            self._rest = io.BytesIO(piece)
            data = self._rest.read(size)
        return data


def _tar(folder: Path, names: Sequence[str]) -> Iterator[bytes]:
    for name in sorted(names):
        with (folder / name).open("rb") as file:
            entry = tarfile.TarInfo(name)
            entry.size = os.fstat(file.fileno()).st_size
            entry.mode = 0o444
            yield entry.tobuf(tarfile.PAX_FORMAT)
            left = entry.size
            while left:
                piece = file.read(min(_CHUNK, left))
                if not piece:
                    raise OSError(f"{name} became shorter while it was read")
                left -= len(piece)
                yield piece
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
