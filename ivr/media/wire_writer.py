"""Writing a wire log: a thread of its own, a bounded queue, data on disk before its chain line."""

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ivr.clock import Clock, SystemClock, to_iso
from ivr.errors import MediaError
from ivr.facts.audio import WireLog
from ivr.media.chain import GENESIS, ChainLine
from ivr.media.wire_format import fact_entry
from ivr.telemetry import logger

WRITE_EVERY_S: Final = 0.1
"""How long bytes stay in this process: a kill loses no more than this; power failure, a block."""

BYTES_PER_BLOCK: Final = 65_536
"""What a waiting block may weigh; two G.711 legs at 10 ms packets make 31 kB a second."""

GIVE_UP_S: Final = 2.0
"""How long closing goes on trying when the disk refuses."""

_log = logger("ivr.media")


@dataclass(frozen=True, slots=True)
class Trouble:
    """The wire log could not be kept as it should.

    Args:
        what: one sentence for a person.
        since: when it began.
        unlogged: packets that were not written because the queue was full, so far.
        is_over: the disk took everything again that was kept.
    """

    what: str
    since: datetime
    unlogged: int = 0
    is_over: bool = False


class WireLogWriter:
    """Appends pcapng blocks to ``path`` and chain lines to ``chain_path``.

    ``append`` only queues and may be called from any thread; a thread writes every 0.1 s, and
    flushes and chains every ``block_s`` seconds. When the disk refuses, bytes wait in memory up
    to ``queue_blocks`` blocks; what does not fit is counted in ``trouble.unlogged`` and noted in
    the log itself when there is room again. What is on disk is never touched.

    Raises:
        MediaError: the files cannot be created (they must not exist yet).
    """

    def __init__(
        self,
        path: Path,
        chain_path: Path,
        *,
        block_s: float,
        queue_blocks: int,
        clock: Clock | None = None,
    ) -> None:
        self._path, self._chain_path = path, chain_path
        self._block_s = block_s
        self._capacity = queue_blocks * BYTES_PER_BLOCK
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._queued_packets = 0
        self._unnoted = 0
        self._trouble: Trouble | None = None
        self._first_ns: int | None = None
        self._closing = threading.Event()
        self._file = _BlockFile(path, chain_path, self._clock)
        self._thread = threading.Thread(target=self._run, name="wire-log", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> Trouble | None:
        """The first thing that went wrong in this call, with the count of unlogged packets."""
        return self._trouble

    def append(self, block: bytes, packet_at_ns: int | None = None) -> bool:
        """Queue one pcapng block; False when there was no room and it was left out.

        Args:
            packet_at_ns: arrival of the packet in it; None when it holds no packet.
        """
        with self._lock:
            is_packet = packet_at_ns is not None
            # facts are few and explain the packets: for them there is as much room again
            if self._queued_bytes + len(block) > self._capacity * (1 if is_packet else 2):
                self._unnoted += is_packet
                self._raise_trouble(
                    "The disk is too slow or full: packets are not being logged.", is_packet
                )
                return False
            self._queue.append(block)
            self._queued_bytes += len(block)
            if packet_at_ns is not None:
                self._queued_packets += 1
                if self._first_ns is None:
                    self._first_ns = packet_at_ns
        return True

    def close(self) -> WireLog:
        """Write, flush and chain what is queued, and end. Blocking; idempotent.

        If the disk still refuses after ``GIVE_UP_S`` the log ends where it is: its chained part
        is valid, and ``repair`` chains the rest when there is room.

        Raises:
            MediaError: the thread hangs in the disk.
        """
        self._closing.set()
        self._thread.join(timeout=30.0)
        if self._thread.is_alive():
            raise MediaError(
                "The wire log could not be closed.",
                why="writing to the disk has not returned for 30 s",
                remedy="Look at the disk (dmesg); the chained part of the log is safe.",
            )
        first = (
            None if self._first_ns is None else datetime.fromtimestamp(self._first_ns / 1e9, UTC)
        )
        return WireLog(
            path=self._path,
            chain_path=self._chain_path,
            sha256=self._file.sha256,
            blocks=self._file.blocks,
            chain_head=self._file.head,
            first_packet_at=first,
        )

    def _run(self) -> None:
        block_ends = time.monotonic() + self._block_s
        give_up_at: float | None = None
        while True:
            is_closing = self._closing.wait(WRITE_EVERY_S)
            now = time.monotonic()
            if is_closing and give_up_at is None:
                give_up_at = now + GIVE_UP_S
            seal = is_closing or now >= block_ends
            if seal:
                block_ends = now + self._block_s
            is_done = self._write(seal=seal)
            if give_up_at is not None and (is_done or now >= give_up_at):
                break
            if is_closing:  # the event no longer paces us
                time.sleep(WRITE_EVERY_S)
        self._file.close()

    def _write(self, *, seal: bool) -> bool:
        """One turn: queue → file → disk → chain. False when there is more to be done."""
        with self._lock:
            queue, packets = self._queue, self._queued_packets
            self._queue, self._queued_packets = [], 0
        self._file.take(b"".join(queue), packets)
        try:
            written = self._file.write()
            if seal:
                self._file.seal()
        except OSError as problem:
            with self._lock:
                self._queued_bytes = self._file.waiting + sum(map(len, self._queue))
                why = problem.strerror or str(problem)
                self._raise_trouble(f"The wire log cannot be written: {why}.")
            return False
        with self._lock:
            self._queued_bytes -= written
            if self._unnoted:  # there is room again: say in the log itself what it lacks
                note = fact_entry(self._clock, "unlogged", {"packets": self._unnoted})
                self._unnoted = 0
                self._queue.append(note)
                self._queued_bytes += len(note)
                return False
            if self._trouble is not None and not self._trouble.is_over:
                self._trouble = replace(self._trouble, is_over=True)
                _log.info("wire log written again", unlogged=self._trouble.unlogged)
        return True

    def _raise_trouble(self, what: str, unlogged: int = 0) -> None:
        """With the lock held."""
        if self._trouble is None:
            self._trouble = Trouble(what, self._clock.now())
            _log.error("wire log in trouble", why=what, file=self._path.name)
        self._trouble = replace(
            self._trouble, unlogged=self._trouble.unlogged + unlogged, is_over=False
        )

    def note(self, name: str, members: Mapping[str, Any]) -> bool:
        """Queue a fact (see ``wire_format``)."""
        return self.append(fact_entry(self._clock, name, members))


class _BlockFile:
    """The two files, owned by the writer's thread after construction."""

    def __init__(self, path: Path, chain_path: Path, clock: Clock) -> None:
        self._clock = clock
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._data_fd = os.open(path, flags, 0o640)
            self._chain_fd = os.open(chain_path, flags, 0o640)
            _flush_folder(path.parent)
        except OSError as problem:
            raise MediaError(
                f"The wire log cannot be created in {path.parent}.",
                why=problem.strerror or str(problem),
                remedy="Check space and rights of the data folder; a log is never overwritten.",
            ) from problem
        self._whole, self._block = hashlib.sha256(), hashlib.sha256()
        self._unwritten = bytearray()
        self._unlinked = bytearray()  # chain lines that the disk has refused so far
        self._offset = self._length = self._packets = 0
        self._next, self._previous = 0, GENESIS
        self.blocks, self.head = 0, GENESIS  # as far as the chain file is flushed

    @property
    def sha256(self) -> str:
        return self._whole.hexdigest()

    @property
    def waiting(self) -> int:
        return len(self._unwritten)

    def take(self, data: bytes, packets: int) -> None:
        self._unwritten += data
        self._packets += packets

    def write(self) -> int:
        """Hand everything to the kernel; returns the bytes this call wrote.

        Raises:
            OSError: the disk refused; what it did not take stays here for the next call.
        """
        total = 0
        while self._unwritten:
            count = os.write(self._data_fd, self._unwritten)
            piece = bytes(self._unwritten[:count])
            del self._unwritten[:count]
            self._whole.update(piece)
            self._block.update(piece)
            self._length += count
            total += count
        return total

    def seal(self) -> None:
        """Flush the block to the disk, then chain it.

        Raises:
            OSError: the disk refused; nothing is chained that is not flushed.
        """
        if self._length:
            os.fdatasync(self._data_fd)
            line = ChainLine(
                n=self._next,
                offset=self._offset,
                length=self._length,
                packets=self._packets,
                sha256=self._block.hexdigest(),
                previous=self._previous,
                flushed_at=to_iso(self._clock.now()),
            ).sealed()
            self._unlinked += line.to_bytes()
            self._next, self._previous = line.n + 1, line.chain
            self._offset += self._length
            self._length = self._packets = 0
            self._block = hashlib.sha256()
        while self._unlinked:
            count = os.write(self._chain_fd, self._unlinked)
            del self._unlinked[:count]
            if not self._unlinked:
                os.fdatasync(self._chain_fd)
        self.blocks, self.head = self._next, self._previous

    def close(self) -> None:
        os.close(self._data_fd)
        os.close(self._chain_fd)


def _flush_folder(folder: Path) -> None:
    """A new file's name is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
