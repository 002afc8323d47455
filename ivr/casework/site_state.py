"""A data folder as it stands on the disk: its log, its signed head, its keys. Reads only; what is
wrong is an answer and not an exception, so that a proof can go on to the next step."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.algorithms import fingerprint_of, read_public
from ivr.evidence.chained import ChainedLog, Record, genesis
from ivr.evidence.durable import waiting_lock
from ivr.evidence.heads import KeyOf, keys_of
from ivr.evidence.keyring import FIRST_KEY, Keyring, keyring_path
from ivr.evidence.layout import KEYRING, SITE_HEAD, SITE_LOG, SITE_PENDING
from ivr.evidence.merkle import Frontier, leaf_hash
from ivr.evidence.signing import public_file
from ivr.evidence.site_events import Told
from ivr.settings import EvidenceSettings


@dataclass(frozen=True, slots=True)
class SiteTrust:
    """By what a site is judged.

    Args:
        key: public key (PEM) that the reader holds; None: keys are not compared.
        keyring: file that says which keys followed; None: the one in the data folder.
        heads: folder of earlier heads; None: the one in the data folder.
        own: a further public key (PEM) that counts when there is no keyring.
    """

    key: Path | None = None
    keyring: Path | None = None
    heads: Path | None = None
    own: Path | None = None

    @classmethod
    def of_own(cls, root: Path, evidence: EvidenceSettings) -> Self:
        """An installation's own data folder, by its first key, which leads to all others."""
        first = keyring_path(root).with_name(FIRST_KEY)
        known = first if first.exists() else None
        return cls(known, None, evidence.heads_dir, public_file(evidence, root))


@dataclass(slots=True)
class SiteState:
    """What was read at one moment, while nobody wrote.

    ``problem``: why the log cannot be followed to its end; the rest is then what is before it.
    ``custody``: told entries of each case, in order.
    """

    root: Path
    site: str = ""
    told: Told = field(default_factory=Told)
    custody: dict[str, list[Record]] = field(default_factory=dict)
    keys: list[Record] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    lines: list[Record] = field(default_factory=list)
    head: bytes | None = None
    pending: bytes | None = None
    problem: EvidenceError | None = None
    log: ChainedLog | None = None

    @classmethod
    def read(cls, root: Path) -> Self:
        """Raises EvidenceError when the folder has no log of a site at all."""
        state, path = cls(root), root / SITE_LOG
        try:
            with waiting_lock(path):
                data = path.read_bytes()
                state.head = _bytes_of(root / SITE_HEAD)
                state.pending = _bytes_of(root / SITE_PENDING)
        except OSError as problem:
            raise EvidenceError(
                f"{root} is no data folder with a log of the site.",
                why=f"{path.name}: {problem.strerror or problem}",
                remedy="Name the folder that holds site-log.jsonl and cases/.",
            ) from problem
        try:
            state._follow(path, data)
        except EvidenceError as problem:
            state.problem = problem
        return state

    @property
    def last(self) -> Record:
        """The last line, or empty."""
        return self.lines[-1] if self.lines else {}

    @property
    def size(self) -> int:
        return len(self.leaves)

    def refresh(self) -> None:
        """Lines that a running house has added since. Raises EvidenceError when they do not
        continue the log."""
        assert self.log is not None
        with waiting_lock(self.log.path):
            self.log.refresh()

    def roots_at(self, sizes: set[int]) -> dict[int, str]:
        """Merkle roots that the log had at these lengths, in one walk."""
        tree, found = Frontier(), {}
        for leaf in self.leaves:
            tree.add(leaf)
            if tree.size in sizes:
                found[tree.size] = tree.root.hex()
        return found

    def _follow(self, path: Path, data: bytes) -> None:
        try:
            first = json.loads(data[: data.find(b"\n") + 1])
            self.site = str({events.BEGUN: first["site"]}[first["event"]])
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            why = "its first line is not the beginning of a site"
            raise _broken(path, why) from problem
        self.log = ChainedLog(path, genesis("site", self.site), self._learn)
        self.log.take(data)
        if self.log.offset != len(data):
            raise _broken(path, "its last line has no end: a write was cut off")

    def _learn(self, line: bytes, record: Record) -> None:
        self.leaves.append(leaf_hash(line))
        self.told.learn(record)
        self.lines.append(record)
        kind = record.get("event")
        if kind == events.CUSTODY:
            self.custody.setdefault(str(record["case_id"]), []).append(record)
        elif kind in {events.KEY_ENDORSED, events.KEY_REVOKED}:
            self.keys.append(record)


@dataclass(frozen=True, slots=True)
class SiteKeys:
    """Keys of a site as a reader sees them.

    Args:
        ring: its keyring; None: it has none, or it is broken and ``problem`` says why.
        trusted: fingerprint of the key that the reader holds, if any.
    """

    ring: Keyring | None
    key_of: KeyOf
    trusted: str | None
    problem: EvidenceError | None = None

    @classmethod
    def read(cls, root: Path, trust: SiteTrust) -> Self:
        """Raises EvidenceError when the reader's own key cannot be read."""
        pem = _pem(trust.key) if trust.key else None
        trusted = fingerprint_of(read_public(pem, str(trust.key))) if pem else None
        ring, problem = None, None
        file = trust.keyring or root / KEYRING
        try:
            ring = Keyring.read(file) if file.exists() or trust.keyring else None
        except EvidenceError as broken:
            problem = broken
        own = [pem] if pem else [_pem(trust.own)] if trust.own and trust.own.exists() else []
        return cls(ring, keys_of(ring, *own, trusted=trusted), trusted, problem)


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise EvidenceError(
            f"The public key {path} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Check the path; --key takes the public key of the site as PEM.",
        ) from problem


def _broken(path: Path, why: str) -> EvidenceError:
    return EvidenceError(
        f"{path} is not the whole log of a site.",
        why=why,
        remedy="`ivr recover` mends what a crash cut off; else compare it with a copy.",
    )
