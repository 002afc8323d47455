"""The files of a wire log: bytes to the disk first, then the line that chains them."""

import hashlib
import os
from pathlib import Path

from ivr.clock import Clock, to_iso
from ivr.errors import MediaError
from ivr.media.chain import GENESIS, ChainLine


class BlockFile:
    """``wire.pcapng`` and ``wire.chain.jsonl`` while they are written. Not thread-safe.

    Raises:
        MediaError: the files cannot be created; neither may exist.
    """

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
    def is_whole(self) -> bool:
        """Whether everything taken is written, flushed and chained."""
        return not (self._unwritten or self._unlinked or self._length)

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
