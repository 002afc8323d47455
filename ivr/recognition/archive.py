"""Unpack or copy a model into the models folder, trusting nothing about where it came from.

No absolute path, no ``..``, no link or device, no duplicate name, no encrypted entry; count and
total size are capped by what is really written, not by what the archive claims. All goes to a
hidden folder first, is opened as a model there, and takes its name in one rename.
"""

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ivr.errors import RecognitionError
from ivr.recognition import manifest
from ivr.recognition.model import ModelInfo, open_model

MAX_FILES = 2000
MAX_BYTES = 8 << 30
MAX_RATIO = 100
"""Files of a model shrink to a third at best, some text to a tenth."""
RATIO_FROM_BYTES = 1 << 20
CHUNK_BYTES = 1 << 20


def refused(source: Path, why: str) -> RecognitionError:
    """The error for something that shall not become a model."""
    return RecognitionError(
        f"{source} was not taken as a model.",
        why=why,
        remedy="Nothing was changed. Get the model from its publisher again.",
    )


def import_model(source: Path, models_dir: Path, name: str | None = None) -> ModelInfo:
    """Take a model from a zip archive or a folder into ``models_dir``. The source stays.

    Args:
        name: its new name; default: the name of the folder, or of the archive without ``.zip``.

    Raises:
        RecognitionError: there is one of that name with other content, or the source is no model
            or is not safe to unpack.
    """
    name = name or (source.name.removesuffix(".zip") if source.is_file() else source.name)
    if not source.exists():
        raise refused(source, "it does not exist")
    if not re.fullmatch(manifest.NAME_PATTERN, name):
        raise refused(source, f"{name!r} is no name for a model: letters, digits, . _ -")
    if source.is_file():
        return unpack_model(source, models_dir, name)
    with _incoming(models_dir) as incoming:
        inside = incoming / name
        _copy_folder(source, inside)
        return _take_in(source, inside, models_dir / name)


def unpack_model(source: Path, models_dir: Path, name: str) -> ModelInfo:
    """The same for a zip archive, with or without one folder around the model."""
    with _incoming(models_dir) as incoming:
        inside = incoming / "content"
        try:
            with zipfile.ZipFile(source) as opened:
                _unpack(source, opened, inside)
        # zipfile raises NotImplementedError for a compression or encryption it does not know.
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as problem:
            raise refused(source, f"it is no sound zip archive: {problem}") from problem
        tops = list(inside.iterdir())
        root = tops[0] if len(tops) == 1 and tops[0].is_dir() else inside
        return _take_in(source, root, models_dir / name)


@contextmanager
def _incoming(models_dir: Path) -> Iterator[Path]:
    """On the same file system as the models, so that the rename is atomic."""
    models_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=models_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take_in(source: Path, root: Path, target: Path) -> ModelInfo:
    incoming = open_model(root)
    if target.exists():
        present = open_model(target)
        if present.sha256 == incoming.sha256:
            return present
        raise refused(source, f"there is another model at {target} already")
    root.chmod(0o755)
    root.rename(target)
    return open_model(target)


def _unpack(source: Path, opened: zipfile.ZipFile, into: Path) -> None:
    entries = opened.infolist()
    if len(entries) > MAX_FILES:
        raise refused(source, f"it holds {len(entries)} files, at most {MAX_FILES} are taken")
    seen: set[PurePosixPath] = set()
    into.mkdir()
    total = 0
    for entry in entries:
        path = _safe_path(source, entry)
        if path in seen:
            raise refused(source, f"it holds {path} twice")
        seen.add(path)
        target = into / path
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        total += _unpack_file(source, opened, entry, target, MAX_BYTES - total)


def _safe_path(source: Path, entry: zipfile.ZipInfo) -> PurePosixPath:
    """Raises:
    RecognitionError: the entry could land, or point, outside the folder.
    """
    name = entry.orig_filename
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise refused(source, f"it holds the path {name!r}, which leads outside")
    if any(sign in name for sign in ("\\", ":", "\0")):
        raise refused(source, f"it holds the path {name!r} with signs that no model needs")
    if entry.flag_bits & 1:
        raise refused(source, f"{name!r} is encrypted")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refused(source, f"{name!r} is a link or a device")
    return path


def _unpack_file(
    source: Path, opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, room: int
) -> int:
    """Returns the bytes written; stops as soon as they are more than any model has."""
    most = max(RATIO_FROM_BYTES, entry.compress_size * MAX_RATIO)
    written = 0
    with opened.open(entry) as packed, target.open("xb") as out:
        while chunk := packed.read(CHUNK_BYTES):
            written += len(chunk)
            if written > min(room, most):
                raise refused(source, f"{entry.filename} unpacks to more than any model would")
            out.write(chunk)
    return written


def _copy_folder(source: Path, target: Path) -> None:
    """Regular files only: a link could bring in, or later change, anything."""
    items = list(source.rglob("*"))
    if len(items) > MAX_FILES:
        raise refused(source, f"it holds {len(items)} files, at most {MAX_FILES} are taken")
    for item in items:
        if item.is_symlink() or not (item.is_dir() or item.is_file()):
            raise refused(source, f"{item} is a link or a device")
    shutil.copytree(source, target)
