"""Writing a wire log: a thread of its own, a bounded queue, data on disk before its chain line."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ivr.clock import Clock, SystemClock
from ivr.errors import MediaError
from ivr.facts.audio import WireLog
from ivr.media.block_file import BlockFile
from ivr.media.repair import complete_until, repair
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
        self._queued_packets = self._packets = 0
        self._closed: WireLog | None = None
        self._unnoted = 0
        self._trouble: Trouble | None = None
        self._first_ns: int | None = None
        self._closing = threading.Event()
        self._file = BlockFile(path, chain_path, self._clock)
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
                self._packets += 1
                if self._first_ns is None:
                    self._first_ns = packet_at_ns
        return True

    def close(self) -> WireLog:
        """Write, flush and chain what is queued, and end. Blocking; idempotent.

        If the disk still refuses after ``GIVE_UP_S`` the log ends where it is: what is on the
        disk is chained by ``repair``, what is not is counted in ``trouble.unlogged``.

        Raises:
            MediaError: the thread hangs in the disk, or there is no room even to chain what is
                there; `ivr recover` finishes the log later.
        """
        if self._closed is None:
            self._closing.set()
            self._thread.join(timeout=30.0)
            if self._thread.is_alive():
                raise MediaError(
                    "The wire log could not be closed.",
                    why="writing to the disk has not returned for 30 s",
                    remedy="Look at the disk (dmesg); the chained part of the log is safe.",
                )
            self._closed = self._finish()
        return self._closed

    def _finish(self) -> WireLog:
        """After the thread has ended."""
        file = self._file
        if file.is_whole and not self._queue:
            first_ns = self._first_ns
            first = None if first_ns is None else datetime.fromtimestamp(first_ns / 1e9, UTC)
            return WireLog(self._path, self._chain_path, file.sha256, file.blocks, file.head, first)
        _, written = complete_until(self._path, 0)
        with self._lock:
            self._raise_trouble(
                "The disk stayed full: the end of the call is missing.", self._packets - written
            )
        return repair(self._path, self._clock).wire_log

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
