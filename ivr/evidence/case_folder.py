"""One open case: everything that may be written into it between the INVITE and the seal."""

import re
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.clock_state import read_clock_state
from ivr.evidence.durable import (
    SEALED,
    copy_atomic,
    make_folder,
    sha256_file,
    sync_file,
    sync_folder,
    try_lock,
    unlock,
    write_atomic,
)
from ivr.evidence.journal import Journal
from ivr.evidence.layout import (
    CASE_ID,
    DERIVED,
    DRAFT_SUFFIX,
    FILE_NAME,
    INVITE,
    OPENED,
    ORIGINAL,
    SETTINGS,
    SHA256,
    WIRE,
    WIRE_CHAIN,
    DerivedFile,
    OpenedRecord,
    is_sealed,
    read_opened,
    refused,
)
from ivr.facts.call import CallOpened


class CaseFolder:
    """An unsealed case, held by this process. Every method waits for the disk: not for an
    event loop. Made by `create` or `resume`; ends with the seal or with `release`."""

    def __init__(self, path: Path, opened: OpenedRecord, journal: Journal, lock: int) -> None:
        self.path = path
        self.opened = opened.call
        self.site = opened.site
        self.journal = journal
        self._lock: int | None = lock
        self._guard = threading.Lock()
        self._derived: dict[str, DerivedFile] = {}

    @classmethod
    def create(
        cls,
        vault: Path,
        opened: CallOpened,
        *,
        raw_invite: bytes | None,
        site: str,
        clock: Clock,
        settings: bytes | None = None,
    ) -> Self:
        """Open a case before the first packet: when this returns, a power cut leaves a case
        that `recovery` finds. The folder appears under its name only once it is complete.

        Args:
            settings: those in force (`ivr.settings.record`), kept as settings.json.

        Raises:
            EvidenceError: the case exists, its id is no file name, or the disk refused.
        """
        if not CASE_ID.fullmatch(opened.call_id):
            raise EvidenceError(
                "The call has no usable identifier.",
                why=f"{opened.call_id!r} cannot name a folder",
                remedy="Call ids are ULIDs; this is a fault in the code.",
            )
        path = vault / opened.call_id
        record = OpenedRecord(call=opened, site=site, created_at=to_iso(clock.now()))
        files = {OPENED: canonical(record)}
        if raw_invite is not None:
            files[INVITE] = raw_invite
        if settings is not None:
            files[SETTINGS] = settings
        try:
            lock = _prepare(path, files)
        except OSError as problem:
            raise refused(path, problem) from problem
        folder = cls(path, record, Journal(path, opened.call_id, clock), lock)
        invite = {} if raw_invite is None else {"invite_sha256": sha256_hex(raw_invite)}
        folder.record("opened", {"mode": opened.mode, "clock": read_clock_state(), **invite})
        return folder

    @classmethod
    def resume(cls, path: Path, clock: Clock) -> Self:
        """Take over an unsealed case whose process is gone. Derived files that were not
        registered, or not finished, are removed: they can be made again.

        Raises:
            EvidenceError: sealed, held by a living process, or damaged.
        """
        lock = _take(path)
        try:
            record = read_opened(path)
            journal = Journal(path, record.call.call_id, clock)
            journal.resume()
            folder = cls(path, record, journal, lock)
            folder._adopt_registered()
        except BaseException as problem:  # whatever it was, the lock must not outlive it
            unlock(lock)
            if isinstance(problem, OSError):
                raise refused(path, problem) from problem
            raise
        return folder

    @property
    def case_id(self) -> str:
        return self.opened.call_id

    @property
    def wire_path(self) -> Path:
        """Where the RTP door writes the packets."""
        return self.path / WIRE

    @property
    def wire_chain_path(self) -> Path:
        """Where the RTP door writes the chain of blocks."""
        return self.path / WIRE_CHAIN

    @property
    def derived(self) -> tuple[DerivedFile, ...]:
        """Registered derived files by path."""
        return tuple(self._derived[name] for name in sorted(self._derived))

    def derived_path(self, name: str) -> Path:
        """Where another part may write the derived file ``name`` before `register_derived`."""
        self._must_be_open()
        if not FILE_NAME.fullmatch(name):
            raise EvidenceError(
                "A derived file has no usable name.",
                why=f"{name!r} is not a plain file name",
                remedy="Use letters, digits, dot, dash and underscore.",
            )
        return self.path / DERIVED / name

    def record(self, event: str, facts: Mapping[str, Any] | None = None) -> None:
        """Add to the journal; on the disk when this returns."""
        self._must_be_open()
        self.journal.append(event, facts)

    def keep_upload(self, source: Path) -> str:
        """Copy an uploaded recording, as it came, to original/upload.<ext>; returns its SHA-256.

        Raises:
            EvidenceError: it cannot be read, or was kept before.
        """
        self._must_be_open()
        extension = re.sub(r"[^0-9a-z]", "", source.suffix.lower())[:8] or "bin"
        target = self.path / ORIGINAL / f"upload.{extension}"
        if any((self.path / ORIGINAL).glob("upload.*")):
            raise refused(self.path, FileExistsError("the case has its upload already"))
        try:
            copy_atomic(source, target, SEALED)
            digest, size = sha256_file(target)
        except OSError as problem:
            raise refused(target, problem) from problem
        self.record(
            "uploaded", {"path": f"{ORIGINAL}/{target.name}", "sha256": digest, "size": size}
        )
        return digest

    def write_derived(
        self,
        name: str,
        data: bytes,
        parent_sha256: str | tuple[str, ...],
        media_type: str,
        made_by: str,
    ) -> str:
        """Write derived/<name> and register it; a second time replaces it. Returns its SHA-256.

        Raises:
            EvidenceError: sealed, no parent named, an impossible name, or the disk refused.
        """
        path = self.derived_path(name)
        try:
            write_atomic(path, data)
        except OSError as problem:
            raise refused(path, problem) from problem
        return self.register_derived(name, parent_sha256, media_type, made_by)

    def register_derived(
        self, name: str, parent_sha256: str | tuple[str, ...], media_type: str, made_by: str
    ) -> str:
        """Register a file that another part wrote to `derived_path`. Returns its SHA-256."""
        path = self.derived_path(name)
        parents = (parent_sha256,) if isinstance(parent_sha256, str) else parent_sha256
        if not parents or not all(SHA256.fullmatch(p) for p in parents):
            raise EvidenceError(
                f"derived/{name} names no parent.",
                why=f"parent_sha256 is {parents!r}",
                remedy="Pass the SHA-256 of the file it was made from, in lower-case hex.",
            )
        try:
            sync_file(path)
            digest, size = sha256_file(path)
            sync_folder(path.parent)
        except OSError as problem:
            raise refused(path, problem) from problem
        entry = DerivedFile(f"{DERIVED}/{name}", size, digest, media_type, parents, made_by)
        with self._guard:
            self.record("derived", {"file": entry})
            self._derived[entry.path] = entry
        return digest

    def release(self) -> None:
        """Let go of the folder: sealed, or left for recovery. A second call does nothing."""
        if self._lock is not None:
            unlock(self._lock)
            self._lock = None

    def _must_be_open(self) -> None:
        if self._lock is None or is_sealed(self.path):
            raise EvidenceError(
                f"The case {self.case_id} takes no more files or events.",
                why="it was sealed or released",
                remedy="What happens after the seal belongs into the custody log.",
            )

    def _adopt_registered(self) -> None:
        """Registry from the journal; what does not match it is removed and noted."""
        entries = [
            _derived_entry(r["facts"]["file"])
            for r in self.journal.records
            if r["event"] == "derived"
        ]  # the last registration of a path stands
        known = {entry.path: entry for entry in entries}
        for inside in (self.path, self.path / ORIGINAL):
            for draft in inside.glob(".*.tmp"):
                draft.unlink()
        for file in sorted((self.path / DERIVED).iterdir()):
            name = f"{DERIVED}/{file.name}"
            entry = known.get(name)
            if entry and sha256_file(file) == (entry.sha256, entry.size):
                self._derived[name] = entry
                continue
            file.unlink()
            self.record("discarded", {"path": name})


def _derived_entry(fields: Mapping[str, Any]) -> DerivedFile:
    return DerivedFile(**{**fields, "parent_sha256": tuple(fields["parent_sha256"])})


def _prepare(path: Path, files: Mapping[str, bytes]) -> int:
    """Build the folder under another name, hold it, then give it its name; returns the lock."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}{DRAFT_SUFFIX}")
    draft.mkdir(mode=0o700)
    lock = try_lock(draft)
    try:
        for inside in (ORIGINAL, DERIVED):
            (draft / inside).mkdir(mode=0o700)
        for name, data in files.items():
            write_atomic(draft / name, data, SEALED)
        if lock is None or path.exists():
            raise FileExistsError(f"{path.name} exists")
        draft.rename(path)
        sync_folder(path.parent)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if lock is not None:
            unlock(lock)
        raise
    return lock


def _take(path: Path) -> int:
    try:
        lock = try_lock(path)
    except OSError as problem:
        raise refused(path, problem) from problem
    if lock is None or is_sealed(path):
        if lock is not None:
            unlock(lock)
        raise EvidenceError(
            f"The case {path.name} cannot be taken over.",
            why="a living process holds it" if lock is None else "it is sealed",
            remedy="Nothing to recover: wait for that process, or read the sealed case.",
        )
    return lock
