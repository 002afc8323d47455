"""Append-only JSON lines in which every record carries the hash of all records before it.

    chain = SHA-256( canonical JSON of the record without "chain" )

in lower-case hex. The record holds ``previous``, the chain of the line before, and on the first
line a genesis value that ties the file to its place. One rule for the journal, the custody log
and the log of the site; the RTP door chains the wire log's blocks after the same rule.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical, plain, sha256_hex
from ivr.evidence.durable import OPEN, sync_folder

Record = dict[str, Any]


def genesis(kind: str, name: str) -> str:
    """First ``previous`` of a log: SHA-256 of ``ivr-<kind>:<name>`` in UTF-8."""
    return sha256_hex(f"ivr-{kind}:{name}".encode())


def link(fields: Mapping[str, Any], n: int, previous: str) -> Record:
    """``fields`` as record ``n`` of a chain whose head is ``previous``."""
    record: Record = {**plain(fields), "n": n, "previous": previous}
    return {**record, "chain": chain_of(record)}


def chain_of(record: Mapping[str, Any]) -> str:
    """What ``chain`` of the record must be."""
    body = {key: value for key, value in record.items() if key != "chain"}
    return sha256_hex(canonical(body))


def _chain_of_line(line: bytes, stated: str) -> str:
    """`chain_of` for a canonical line, without writing it once more. ``chain`` is not its only
    member, so a comma stands on one side of it."""
    member = b'"chain":"%s"' % stated.encode()
    return sha256_hex(line.replace(member + b",", b"", 1))


class ChainedLog:
    """One such file. Remembers how far it has read, so an append costs one line, not the file.

    Not locked: the owner of the file holds a lock around `refresh` and `append`.

    Args:
        learn: told of each line that is read or written, with its bytes without line feed.
    """

    def __init__(
        self,
        path: Path,
        first_previous: str,
        learn: Callable[[bytes, Record], None] = lambda _line, _record: None,
    ) -> None:
        self.path = path
        self._first = first_previous
        self._learn = learn
        self.head = first_previous
        self.count = 0
        self._offset = 0

    def read(self) -> list[Record]:
        """All whole lines, checked from the first.

        Raises:
            EvidenceError: a line is not what was written; says which.
        """
        self.head, self.count, self._offset = self._first, 0, 0
        return self.refresh()

    @property
    def offset(self) -> int:
        """Bytes that were read or written so far: where the next line begins."""
        return self._offset

    def resume(self, count: int, head: str, offset: int) -> None:
        """Go on behind a line that is known, without reading what is before it."""
        self.head, self.count, self._offset = head, count, offset

    def refresh(self) -> list[Record]:
        """Lines that came since the last look. A last line without its end is left out."""
        return self.take(self._rest())

    def take(self, data: bytes) -> list[Record]:
        """`refresh` from what somebody read behind `offset`.

        Raises:
            EvidenceError: a line does not continue those before it; they are taken.
        """
        whole = data[: data.rfind(b"\n") + 1]
        records = []
        for line in whole.split(b"\n")[:-1]:
            record = self._accept(line)
            self._offset += len(line) + 1
            self._learn(line, record)
            records.append(record)
        return records

    def cut_torn_tail(self) -> bytes:
        """Remove what stands after the last line end (a write that a crash cut short) and
        return it. Call after `refresh`."""
        torn = self._rest()
        if torn:
            with self.path.open("rb+") as file:
                file.truncate(self._offset)
                os.fsync(file.fileno())
        return torn

    def append(self, fields: Mapping[str, Any]) -> Record:
        """Write one record and wait until the disk has it (milliseconds)."""
        record = link(fields, self.count, self.head)
        self.append_line(canonical(record) + b"\n")
        return record

    def append_line(self, line: bytes) -> None:
        """Write a finished line, which must continue the chain."""
        is_new = not self.path.exists()
        before = (self.head, self.count)
        record = self._accept(line.rstrip(b"\n"))
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, OPEN)
            with os.fdopen(handle, "wb", buffering=0) as file:
                if file.write(line) != len(line):
                    raise OSError("the disk took only a part of the line")
                os.fsync(file.fileno())
        except OSError as problem:
            self.head, self.count = before
            with suppress(OSError):  # the half line goes, or the next append cuts it
                self.cut_torn_tail()
            raise EvidenceError(
                f"A record could not be added to {self.path.name}.",
                why=str(problem),
                remedy="Free disk space or mend the disk; what was there before is untouched.",
            ) from problem
        self._offset += len(line)
        if is_new:
            sync_folder(self.path.parent)
        self._learn(line.rstrip(b"\n"), record)

    def _rest(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._offset:
                    raise self._broken("the file is shorter than it was")
                file.seek(self._offset)
                return file.read()
        except FileNotFoundError:
            if self._offset:
                raise self._broken("the file is gone") from None
            return b""
        except OSError as problem:
            raise EvidenceError(
                f"{self.path} cannot be read.",
                why=problem.strerror or str(problem),
                remedy="Check its permissions and the disk.",
            ) from problem

    def _accept(self, line: bytes) -> Record:
        where = f"line {self.count + 1}"
        try:
            record = json.loads(line)
            is_canonical = isinstance(record, dict) and canonical(record) == line
            fits = is_canonical and (
                record["n"] == self.count
                and record["previous"] == self.head
                and record["chain"] == _chain_of_line(line, str(record["chain"]))
            )
        except (ValueError, KeyError, RecursionError, EvidenceError) as problem:
            raise self._broken(f"{where} is no record: {problem}") from problem
        if not fits:
            raise self._broken(f"{where} does not continue the lines before it")
        self.head, self.count = record["chain"], self.count + 1
        result: Record = record
        return result

    def _broken(self, why: str) -> EvidenceError:
        return EvidenceError(
            f"{self.path} was changed after it was written.",
            why=why,
            remedy="Keep the file as it is, and compare it with a copy of the vault.",
        )
