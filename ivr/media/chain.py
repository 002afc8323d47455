"""The hash chain over the blocks of a wire log: ``wire.chain.jsonl``.

One line of canonical JSON (RFC 8785) for each block of bytes. ``chain`` is the SHA-256 of that
same line without its ``chain`` member, which sorts first, so sed and sha256sum can check it:

    sed -n 3p wire.chain.jsonl | sed 's/"chain":"[0-9a-f]*",//' | tr -d '\\n' | sha256sum
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rfc8785

from ivr.errors import MediaError

GENESIS = "0" * 64
"""``previous`` of the first line."""

_READ_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class ChainLine:
    """What is known of one block.

    Args:
        n: counts from 0.
        offset: first byte of the block in ``wire.pcapng``.
        length: its bytes; the next block begins at ``offset + length``.
        packets: Enhanced Packet Blocks in it.
        sha256: hex digest of its bytes.
        previous: ``chain`` of the line before; 64 zeros at the start.
        flushed_at: when the bytes had been flushed to the disk (RFC 3339, UTC).
        recovered: it was chained after the recorder had been cut off.
        chain: digest of the line without this member.
    """

    n: int
    offset: int
    length: int
    packets: int
    sha256: str
    previous: str
    flushed_at: str
    recovered: bool = False
    chain: str = ""

    def sealed(self) -> "ChainLine":
        """The same line with its ``chain``."""
        return replace(self, chain=hashlib.sha256(self._canonical(chained=False)).hexdigest())

    def to_bytes(self) -> bytes:
        """The line as it stands in the file, line feed included."""
        return self._canonical(chained=True) + b"\n"

    def _canonical(self, *, chained: bool) -> bytes:
        members: dict[str, Any] = {
            "n": self.n,
            "offset": self.offset,
            "length": self.length,
            "packets": self.packets,
            "sha256": self.sha256,
            "previous": self.previous,
            "flushed_at": self.flushed_at,
        }
        if self.recovered:
            members["recovered"] = True
        if chained:
            members["chain"] = self.chain
        return rfc8785.dumps(members)


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What a check of the chain found.

    Args:
        head: ``chain`` of the last good line.
        unchained: bytes of the wire log behind the last block.
        problems: what is wrong, in order; empty when the chain holds.
    """

    blocks: int
    packets: int
    head: str
    unchained: int
    problems: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        """Every byte of the log is chained and every digest is right."""
        return not self.problems and self.unchained == 0


def parse_line(text: bytes) -> ChainLine:
    """One line of the chain file.

    Raises:
        ValueError: it is not the canonical form of a chain line.
    """
    members = json.loads(text)
    if not isinstance(members, dict):
        raise ValueError("not a JSON object")
    try:
        line = ChainLine(**members)
        for name in ("n", "offset", "length", "packets"):
            if type(getattr(line, name)) is not int or getattr(line, name) < 0:
                raise ValueError(f"{name} is no count")
        is_canonical = line.to_bytes().rstrip(b"\n") == text.rstrip(b"\n")
    except (TypeError, rfc8785.CanonicalizationError) as problem:
        raise ValueError(f"no chain line: {problem}") from problem
    if not is_canonical:
        raise ValueError("not in canonical form")
    return line


def read_lines(chain_path: Path) -> list[bytes]:
    """The lines of a chain file, line feeds kept; a torn last line has none.

    Raises:
        MediaError: the file cannot be read.
    """
    try:
        return chain_path.read_bytes().splitlines(keepends=True)
    except OSError as problem:
        raise MediaError(
            f"The chain of the wire log cannot be read: {chain_path.name}.",
            why=problem.strerror or str(problem),
            remedy="Without it the wire log cannot be trusted; look for a copy.",
        ) from problem


def verify_chain(wire_path: Path, chain_path: Path) -> ChainCheck:
    """Check every block's digest, every link, and that the blocks cover the file.

    Raises:
        MediaError: one of the files cannot be read.
    """
    problems: list[str] = []
    head, offset, blocks, packets = GENESIS, 0, 0, 0
    try:
        size = wire_path.stat().st_size
        with wire_path.open("rb") as wire:
            for n, text in enumerate(read_lines(chain_path)):
                try:
                    line = parse_line(text)
                except ValueError as problem:
                    problems.append(f"line {n}: {problem}")
                    break
                expected = replace(line, n=n, offset=offset, previous=head).sealed()
                actual = hashlib.sha256(b"".join(_span(wire, offset, line.length))).hexdigest()
                problems += [f"line {n}: {what}" for what in _differences(line, expected, actual)]
                head, offset = line.chain, offset + line.length
                blocks, packets = blocks + 1, packets + line.packets
    except OSError as problem:
        raise MediaError(
            f"The wire log cannot be read: {wire_path.name}.",
            why=problem.strerror or str(problem),
            remedy="Check the path and the rights of the file.",
        ) from problem
    if offset > size:
        problems.append(f"the chain covers {offset} bytes, the wire log has {size}")
    return ChainCheck(blocks, packets, head, max(size - offset, 0), tuple(problems))


def _differences(line: ChainLine, expected: ChainLine, sha256: str) -> Iterator[str]:
    for name in ("n", "offset", "previous"):
        if getattr(line, name) != getattr(expected, name):
            yield f"{name} is {getattr(line, name)}, should be {getattr(expected, name)}"
    if line.chain != line.sealed().chain:
        yield "chain is not the digest of the line"
    if line.sha256 != sha256:
        yield f"the bytes {line.offset}–{line.offset + line.length} do not have this sha256"


def _span(stream: Any, offset: int, length: int) -> Iterator[bytes]:
    stream.seek(offset)
    while length > 0 and (piece := stream.read(min(length, _READ_SIZE))):
        length -= len(piece)
        yield piece
