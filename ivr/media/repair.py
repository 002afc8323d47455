"""After a crash: chain what is complete, set aside what is torn, change nothing else."""

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ivr.clock import Clock, SystemClock, to_iso
from ivr.errors import MediaError
from ivr.facts.audio import WireLog
from ivr.media import pcapng
from ivr.media.chain import GENESIS, ChainLine, parse_line, read_lines, verify_chain
from ivr.media.wire_format import CHAIN_NAME, TAIL_NAME, LoggedPacket, WireLogReader


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did; all counts are 0 for a log that was closed properly.

    Args:
        recovered_packets: packets of the block that was chained now.
        recovered_bytes: its length.
        torn_bytes: bytes cut from the end of the log, kept in ``wire.tail.bin``.
    """

    wire_log: WireLog
    recovered_packets: int
    recovered_bytes: int
    torn_bytes: int


def wire_log_at(path: Path) -> WireLog:
    """Describe the wire log at ``path`` (``wire.pcapng``) from the files alone.

    Raises:
        MediaError: a file cannot be read, or the chain does not hold.
    """
    chain_path = path.with_name(CHAIN_NAME)
    check = verify_chain(path, chain_path)
    if check.problems:
        raise MediaError(
            "The chain of the wire log does not hold.",
            why="; ".join(check.problems),
            remedy="The log was changed after it was written. Keep the files as they are, "
            "compare them with an export or a backup.",
        )
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    first = next((entry for entry in WireLogReader(path) if isinstance(entry, LoggedPacket)), None)
    first_at = None if first is None else datetime.fromtimestamp(first.at_ns / 1e9, UTC)
    return WireLog(path, chain_path, sha256, check.blocks, check.head, first_at)


def repair(path: Path, clock: Clock | None = None) -> Repair:
    """Finish the wire log at ``path`` whose recorder was cut off. Idempotent.

    The bytes behind the last chained block are read; complete pcapng blocks among them become
    one more block of the chain, marked ``recovered``; what follows is copied to
    ``wire.tail.bin``, flushed, and only then cut off. A torn last line of the chain file is
    treated the same way (``wire.chain.tail.bin``). Chained bytes are never touched.

    Raises:
        MediaError: the files cannot be read or written, or the chain does not hold: then the log
            was not only cut off but changed, and nothing is touched.
    """
    chain_path = path.with_name(CHAIN_NAME)
    try:
        _cut_torn_line(chain_path)
        check = verify_chain(path, chain_path)
        if check.problems:
            wire_log_at(path)  # raises with the problems
        start = path.stat().st_size - check.unchained
        end, packets = complete_until(path, start)
        torn = path.stat().st_size - end
        if torn:
            _set_aside(path, end, path.with_name(TAIL_NAME))
        if end > start:
            _chain_rest(path, chain_path, start, end, packets, clock or SystemClock())
    except OSError as problem:
        raise MediaError(
            f"The wire log cannot be repaired: {path}.",
            why=problem.strerror or str(problem),
            remedy="Make room or rights and run `ivr recover` again; nothing is lost by waiting.",
        ) from problem
    return Repair(wire_log_at(path), packets, end - start, torn)


def _cut_torn_line(chain_path: Path) -> None:
    """A line without line feed was being written when the power went."""
    if not chain_path.exists():
        chain_path.touch(exist_ok=False)  # cut off between creating the two files
        return
    lines = read_lines(chain_path)
    if lines and not lines[-1].endswith(b"\n"):
        whole = sum(map(len, lines[:-1]))
        _set_aside(chain_path, whole, chain_path.with_name("wire.chain.tail.bin"))


def complete_until(path: Path, start: int) -> tuple[int, int]:
    """(end of the complete pcapng blocks from ``start`` on, packets among them)."""
    end, packets = start, 0
    with path.open("rb") as stream:
        try:
            for block in pcapng.read_blocks(stream, start):
                packets += block.kind == pcapng.ENHANCED_PACKET
                end = block.offset + block.length
        except pcapng.TornBlock as tear:
            end = tear.offset
    return end, packets


def _set_aside(path: Path, start: int, aside: Path) -> None:
    """Copy the bytes from ``start`` on to ``aside``, flush them, then cut them off."""
    with path.open("rb") as stream:
        stream.seek(start)
        tail = stream.read()
    if aside.exists() and not tail.startswith(aside.read_bytes()):
        raise MediaError(
            f"{aside.name} is there already and holds something else.",
            why="a repaired log was written to again",
            remedy=f"Move {aside} away and repair again.",
        )
    with aside.open("wb") as copy:
        copy.write(tail)
        copy.flush()
        os.fsync(copy.fileno())
    with path.open("r+b") as stream:
        stream.truncate(start)
        os.fsync(stream.fileno())


def _chain_rest(
    path: Path, chain_path: Path, start: int, end: int, packets: int, clock: Clock
) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        stream.seek(start)
        data = stream.read(end - start)
    lines = [parse_line(text) for text in read_lines(chain_path)]
    line = ChainLine(
        n=len(lines),
        offset=start,
        length=end - start,
        packets=packets,
        sha256=hashlib.sha256(data).hexdigest(),
        previous=lines[-1].chain if lines else GENESIS,
        flushed_at=to_iso(clock.now()),
        recovered=True,
    ).sealed()
    with chain_path.open("ab") as stream:
        stream.write(line.to_bytes())
        stream.flush()
        os.fsync(stream.fileno())
