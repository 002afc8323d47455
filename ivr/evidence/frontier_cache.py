"""The frontier of the site log's tree, kept so that one line can be added without reading the rest.

A mere cache: what it says is believed only as far as it gives the root that was signed and the
end that the log has. When it is missing or wrong the log is read whole.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.evidence.canonical import canonical
from ivr.evidence.chained import Record
from ivr.evidence.layout import SHA256, SITE_FRONTIER
from ivr.evidence.merkle import Frontier

_LONGEST_LINE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Resting:
    """A log at rest.

    Args:
        tree: over all its lines.
        chain: of the last line.
        offset: bytes up to its end.
        last_seal: the last ``sealed`` line, or empty.
    """

    tree: Frontier
    chain: str
    offset: int
    last_seal: Record


def save_frontier(root: Path, resting: Resting) -> None:
    """Write the cache; not waited for by the disk, for losing it costs one reading."""
    data = canonical(
        {
            "chain": resting.chain,
            "last_seal": resting.last_seal,
            "nodes": [node.hex() for node in resting.tree.nodes],
            "offset": resting.offset,
            "size": resting.tree.size,
        }
    )
    draft = root / f".{SITE_FRONTIER}.tmp"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    draft.replace(root / SITE_FRONTIER)


def load_frontier(root: Path, log: Path) -> Resting | None:
    """The cache, if it can be read and ``log`` has the line at its end that it says."""
    try:
        stated = json.loads((root / SITE_FRONTIER).read_bytes())
        nodes = [bytes.fromhex(node) for node in stated["nodes"] if SHA256.fullmatch(node)]
        tree = Frontier(stated["size"], nodes)
        resting = Resting(tree, stated["chain"], stated["offset"], stated["last_seal"])
        last = json.loads(_line_before(log, resting.offset))
        is_there = (last["n"], last["chain"]) == (tree.size - 1, resting.chain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return resting if is_there and isinstance(resting.last_seal, dict) else None


def _line_before(log: Path, offset: int) -> bytes:
    with log.open("rb") as file:
        start = max(0, offset - _LONGEST_LINE)
        file.seek(start)
        *lines, rest = file.read(offset - start).split(b"\n")
    if rest or not lines or start + _LONGEST_LINE < offset:
        raise ValueError("no line ends there")
    return lines[-1]
