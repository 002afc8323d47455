"""Fetch an official model: resumable download, checked to the byte before it is unpacked.

Blocking (`ivr models fetch` shows its progress); call it in a thread from an event loop.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx

from ivr.errors import EnvironmentProblem, RecognitionError
from ivr.recognition import archive
from ivr.recognition.manifest import ModelEntry
from ivr.recognition.model import ModelInfo, open_model

CHUNK_BYTES = 1 << 16
CONNECT_S, READ_S = 10.0, 30.0
SPARE_BYTES = 64 << 20
"""Room that stays free beside the archive and what is unpacked from it."""
UNPACKED_RATIO = 4
"""Model archives unpack to about one and a half of their size."""
ATTEMPTS = 3

Progress = Callable[[int, int], None]


def fetch(entry: ModelEntry, models_dir: Path, on_progress: Progress | None = None) -> ModelInfo:
    """Download, check, unpack and open an official model. Does nothing when it is there already.

    A download that is cut off stays as ``NAME.zip.part`` and goes on from there next time.

    Args:
        entry: what the manifest says the archive must be.
        models_dir: where it goes: ``models_dir/NAME``.
        on_progress: gets (bytes so far, bytes in all).

    Raises:
        RecognitionError: not reachable, not the archive of the manifest, or no model in it.
        EnvironmentProblem: not enough room on the disk.
    """
    target = models_dir / entry.name
    if target.exists():
        return open_model(target)
    if entry.kind != "official":
        raise RecognitionError(
            f"The model {entry.name} cannot be fetched.",
            why="it comes with the program and is not published elsewhere",
            remedy="Restore asr_models/ from the distribution.",
        )
    models_dir.mkdir(parents=True, exist_ok=True)
    _check_room(entry, models_dir)
    part = models_dir / f"{entry.name}.zip.part"
    _download_checked(entry, part, on_progress)
    info = archive.unpack_model(part, models_dir, entry.name)
    _forget(part)
    return info


def _check_room(entry: ModelEntry, models_dir: Path) -> None:
    needed = entry.size * (1 + UNPACKED_RATIO) + SPARE_BYTES
    free = shutil.disk_usage(models_dir).free
    if free < needed:
        raise EnvironmentProblem(
            f"There is not enough room in {models_dir} for the model {entry.name}.",
            why=f"{free >> 20} MB are free, {needed >> 20} MB are needed",
            remedy="Free some room, or set recognition.models_dir to another disk.",
        )


def _download_checked(entry: ModelEntry, part: Path, on_progress: Progress | None) -> None:
    """A part that was resumed and turns out wrong is thrown away and fetched once from its start:
    the archive may have been replaced in between."""
    was_resumed = part.exists() and part.stat().st_size > 0
    _download(entry, part, on_progress)
    found = _sha256(part)
    if found != entry.sha256 and was_resumed:
        _forget(part)
        _download(entry, part, on_progress)
        found = _sha256(part)
    if found != entry.sha256:
        _forget(part)
        raise RecognitionError(
            f"The archive of {entry.name} is not the one this release was made for; refused.",
            why=f"its SHA-256 is {found}, expected {entry.sha256}",
            remedy="Do not use it. Try again later; if it stays so, ask who publishes the model.",
        )


def _download(entry: ModelEntry, part: Path, on_progress: Progress | None) -> None:
    """Until all bytes are there; a connection that breaks is taken up again at once, twice."""
    problem: httpx.TransportError | None = None
    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    with httpx.Client(timeout=timeout, follow_redirects=True, max_redirects=3) as client:
        for _ in range(ATTEMPTS):
            try:
                _request(client, entry, part, on_progress)
            except httpx.ConnectError as refused:
                problem = refused
                break
            except httpx.TransportError as broken:
                problem = broken
                continue
            return
    kept = part.stat().st_size if part.exists() else 0
    raise RecognitionError(
        f"The model {entry.name} could not be fetched.",
        why=f"{entry.url}: {problem or 'the connection broke'}",
        remedy=f"Run the command again; it goes on after the {kept} bytes that are here.",
    ) from problem


def _request(
    client: httpx.Client, entry: ModelEntry, part: Path, on_progress: Progress | None
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > entry.size:
        _forget(part)
        have = 0
    if have == entry.size:
        return
    # The bytes are counted and hashed as they lie in the archive: no transfer compression.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if _validator(part).exists():
            headers["If-Range"] = _validator(part).read_text(encoding="ascii")
    with client.stream("GET", entry.url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            _forget(part)
            raise httpx.RemoteProtocolError("the server has fewer bytes than are here already")
        if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise RecognitionError(
                f"The model {entry.name} could not be fetched.",
                why=f"{entry.url} answered {response.status_code} {response.reason_phrase}",
                remedy="Check the address in asr_models/manifest.toml; it may have moved.",
            )
        if response.status_code == httpx.codes.OK or not _continues(response, have):
            have = 0
        _check_size(entry, response, have)
        _remember_validator(response, part)
        _save(response, part, have, entry, on_progress)


def _continues(response: httpx.Response, have: int) -> bool:
    content_range: str = response.headers.get("Content-Range", "")
    return content_range.startswith(f"bytes {have}-")


def _check_size(entry: ModelEntry, response: httpx.Response, have: int) -> None:
    length = response.headers.get("Content-Length")
    if length is not None and length.isdecimal() and have + int(length) != entry.size:
        raise _wrong_size(entry, have + int(length))


def _wrong_size(entry: ModelEntry, size: int) -> RecognitionError:
    return RecognitionError(
        f"The archive of {entry.name} is not the one this release was made for; refused.",
        why=f"it has {size} bytes or more, expected {entry.size}",
        remedy="Do not use it. Try again later; if it stays so, ask who publishes the model.",
    )


def _save(
    response: httpx.Response,
    part: Path,
    have: int,
    entry: ModelEntry,
    on_progress: Progress | None,
) -> None:
    with part.open("r+b" if have else "wb") as out:
        out.seek(have)
        for chunk in response.iter_bytes(CHUNK_BYTES):
            have += len(chunk)
            if have > entry.size:
                raise _wrong_size(entry, have)
            out.write(chunk)
            if on_progress is not None:
                on_progress(have, entry.size)
        out.flush()
        os.fsync(out.fileno())
    if have < entry.size:
        raise httpx.ReadError("the connection ended early")


def _validator(part: Path) -> Path:
    return part.with_suffix(".etag")


def _remember_validator(response: httpx.Response, part: Path) -> None:
    """If-Range takes a strong ETag or a date (RFC 9110, 13.1.5). Without one the range is asked
    for all the same: the digest decides in the end."""
    etag = response.headers.get("ETag", "")
    value = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    if value and value.isascii():
        _validator(part).write_text(value, encoding="ascii")
    else:
        _validator(part).unlink(missing_ok=True)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
