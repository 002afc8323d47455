"""Proofs that leave the house: that a line is in the log of the site, and that a head that somebody
kept is the beginning of the log as it is now. RFC 9162, 2.1.3 and 2.1.4, over signed heads.

Both are canonical JSON files that can be checked with the site's public key alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import Record
from ivr.evidence.durable import waiting_lock
from ivr.evidence.heads import KeyOf, SiteHead, read_head, read_head_file
from ivr.evidence.layout import SITE_HEAD, SITE_LOG
from ivr.evidence.merkle import (
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
)

INCLUSION_FORMAT: Final = "ivr-inclusion/1"
CONSISTENCY_FORMAT: Final = "ivr-consistency/1"
INCLUSION: Final = "inclusion.json"
"""Name of the file in an export."""


@dataclass(frozen=True, slots=True)
class Included:
    """What an inclusion file proves: ``lines`` of the log are under ``head``, each with its
    index."""

    head: SiteHead
    lines: tuple[tuple[int, Record], ...]


def inclusion(root: Path, case_id: str, key_of: KeyOf) -> bytes:
    """The inclusion file of a case: its ``sealed`` line and that of its last custody entry, if any
    followed the seal.

    Args:
        root: the data folder.

    Raises:
        EvidenceError: the log does not know the case, or log and head do not fit.
    """
    head, lines, leaves = _read(root, key_of)
    wanted = _lines_of(case_id, lines)
    if not wanted:
        raise EvidenceError(
            f"The log of the site does not know the case {case_id}.",
            why=f"none of its {len(lines)} lines tells of it",
            remedy="Run `ivr recover`, which enters what a crash kept out.",
        )
    entries = [
        {"entry": record, "index": index, "path": _hexes(inclusion_path(leaves, index))}
        for index, record in wanted
    ]
    return canonical({"entries": entries, "format": INCLUSION_FORMAT, "head": head.signed})


def consistency(root: Path, first: SiteHead, key_of: KeyOf) -> bytes:
    """The consistency file from an older head to the present one.

    Raises:
        EvidenceError: the log does not begin as it was when the older head was signed, or log and
            head do not fit.
    """
    second, _, leaves = _read(root, key_of)
    if first.site != second.site or first.size > second.size:
        raise _not_ours(first, f"the log of {second.site} has {second.size} lines")
    if root_of(leaves[: first.size]).hex() != first.root:
        raise _not_ours(first, f"its first {first.size} lines are others now")
    path = _hexes(consistency_path(leaves, first.size))
    return canonical(
        {
            "first": first.signed,
            "format": CONSISTENCY_FORMAT,
            "path": path,
            "second": second.signed,
        }
    )


def check_inclusion(data: bytes, key_of: KeyOf) -> Included:
    """What an inclusion file proves.

    Raises:
        EvidenceError: it proves nothing; says why.
    """
    stated = _parsed(data, INCLUSION_FORMAT, {"entries", "format", "head"})
    head = read_head(canonical(stated["head"]), key_of, "the head in it")
    try:
        lines = []
        for each in stated["entries"]:
            leaf, path = leaf_hash(canonical(each["entry"])), _digests(each["path"])
            root = bytes.fromhex(head.root)
            if each.keys() != {"entry", "index", "path"} or not is_included(
                leaf, each["index"], head.size, path, root
            ):
                raise _proves_nothing(f"line {each['index']} is not under the signed root")
            lines.append((int(each["index"]), dict(each["entry"])))
    except (ValueError, KeyError, TypeError) as problem:
        raise _proves_nothing(f"{type(problem).__name__} {problem}") from problem
    if not lines:
        raise _proves_nothing("it names no line")
    return Included(head, tuple(lines))


def check_consistency(data: bytes, key_of: KeyOf) -> tuple[SiteHead, SiteHead]:
    """The two heads of a consistency file, the older first.

    Raises:
        EvidenceError: it proves nothing; says why.
    """
    stated = _parsed(data, CONSISTENCY_FORMAT, {"first", "format", "path", "second"})
    first = read_head(canonical(stated["first"]), key_of, "the first head")
    second = read_head(canonical(stated["second"]), key_of, "the second head")
    try:
        path = _digests(stated["path"])
    except (ValueError, TypeError) as problem:
        raise _proves_nothing(f"its path is none: {problem}") from problem
    if first.site != second.site:
        raise _proves_nothing(f"the heads are of {first.site} and {second.site}")
    roots = (bytes.fromhex(first.root), bytes.fromhex(second.root))
    if not is_consistent(first.size, roots[0], second.size, roots[1], path):
        raise _proves_nothing("the older log is not the beginning of the newer one")
    return first, second


def format_of(data: bytes) -> str:
    """What kind of file it says it is; empty when it says nothing."""
    try:
        stated = json.loads(data)
        return str(stated.get("format", "")) if isinstance(stated, dict) else ""
    except (ValueError, RecursionError):
        return ""


def _read(root: Path, key_of: KeyOf) -> tuple[SiteHead, list[bytes], list[bytes]]:
    """Head, the lines under it, and their leaves."""
    log = root / SITE_LOG
    try:
        with waiting_lock(log):
            lines = log.read_bytes().split(b"\n")[:-1]
            head = read_head_file(root / SITE_HEAD, key_of)
    except OSError as problem:
        raise EvidenceError(
            f"The log of the site {log} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Name the data folder (--data); there is a log once a case was sealed.",
        ) from problem
    lines = lines[: head.size]
    leaves = [leaf_hash(line) for line in lines]
    if len(leaves) < head.size or root_of(leaves).hex() != head.root:
        raise EvidenceError(
            f"The log of the site {log} is not as it was signed.",
            why=f"its root over {head.size} lines is another, or it is shorter",
            remedy="Run `ivr log verify`; nothing can be proven from it as it is.",
        )
    return head, lines, leaves


def _lines_of(case_id: str, lines: list[bytes]) -> list[tuple[int, Record]]:
    """The seal of a case, then its last custody entry."""
    seal: list[tuple[int, Record]] = []
    last: list[tuple[int, Record]] = []
    needle = canonical(case_id)  # most lines are of other cases and need no parsing
    for index, line in enumerate(lines):
        if needle not in line:
            continue
        record: Record = json.loads(line)
        if record.get("case_id") != case_id:
            continue
        if record["event"] == events.SEALED:
            seal = [(index, record)]
        elif record["event"] == events.CUSTODY:
            last = [(index, record)]
    return [*seal, *last] if seal else []


def _parsed(data: bytes, form: str, members: set[str]) -> dict[str, Any]:
    try:
        stated = json.loads(data)
        is_canonical = isinstance(stated, dict) and canonical(stated) == data
    except (ValueError, RecursionError, EvidenceError) as problem:
        raise _proves_nothing(f"no JSON: {problem}") from problem
    if not is_canonical or stated.keys() != members or stated["format"] != form:
        raise _proves_nothing(f"not canonical JSON of the form {form}")
    return dict(stated)


def _digests(path: Any) -> list[bytes]:
    digests = [bytes.fromhex(digest) for digest in path]
    if _hexes(tuple(digests)) != path:
        raise ValueError("a digest is misspelt")
    return digests


def _hexes(path: tuple[bytes, ...]) -> list[str]:
    return [digest.hex() for digest in path]


def _proves_nothing(why: str) -> EvidenceError:
    return EvidenceError(
        "The file proves nothing.",
        why=why,
        remedy="Get it again from where it came, with the key it needs.",
    )


def _not_ours(head: SiteHead, why: str) -> EvidenceError:
    return EvidenceError(
        f"The head of {head.at} over {head.size} lines of {head.site} does not lead to this log.",
        why=why,
        remedy="The log was changed or put back, or the head is of another site: keep both, and "
        "run `ivr verify` on the data folder.",
    )
