"""The log of a site: every seal, every custody entry, every deletion, every key, in one chain under
one signed Merkle root. Taking a case away, making one up between two others, or putting a case's
custody back to an older state shows here.

Beside it lie its signed head, written after each line; a frontier, with which a command adds a line
without reading the others; and, while something is being done, the line that will tell of it. The
first line is written when the site is set up, so an empty or missing log beside sealed cases is
never a fresh start but a loss, and the site refuses to go on (docs/site-log.md).
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.algorithms import PublicKey
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import ChainedLog, Record, genesis, link
from ivr.evidence.durable import waiting_lock, write_atomic
from ivr.evidence.events import Event
from ivr.evidence.frontier_cache import Resting, load_frontier, save_frontier
from ivr.evidence.heads import SiteHead, keys_of, read_head, read_head_file, sign_head
from ivr.evidence.keyring import Keyring
from ivr.evidence.layout import CASES, SITE_HEAD, SITE_LOG, SITE_PENDING, case_folders, is_sealed
from ivr.evidence.log_proofs import consistency, inclusion
from ivr.evidence.merkle import Frontier, leaf_hash
from ivr.evidence.signer import Signer
from ivr.evidence.site_events import Told, has_happened, unknown_seals, untold
from ivr.telemetry import logger

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class SiteLink:
    """What a manifest says of its place in the log of the site.

    Args:
        n: index of the case's ``sealed`` line; line 0 is the beginning of the site.
        previous_chain: chain of the line before.
        previous_case_id / previous_seal_sha256: the last seal before; None for the first.
    """

    n: int
    previous_chain: str
    previous_case_id: str | None
    previous_seal_sha256: str | None


class SiteLog:
    """site-log.jsonl in the data folder. One object a process; processes take turns by flock."""

    def __init__(self, root: Path, site: str, signer: Signer, clock: Clock) -> None:
        self.root, self.site = root, site
        self._signer, self._clock = signer, clock
        self._log = ChainedLog(root / SITE_LOG, genesis("site", site), self._learn)
        self._pending = root / SITE_PENDING
        self._tree = Frontier()
        self._last_seal: Record = {}
        self._told: Told | None = None
        """None: lines were passed over, so what they tell is not known."""
        self._is_begun = False
        self._awaited = 0
        self._root_there: str | None = None

    @classmethod
    def open(cls, root: Path, site: str, signer: Signer, clock: Clock) -> Self:
        """Read and check the whole log against its signed head; begin it at a site that never
        sealed. What was sealed and not logged is logged now, from the cases.

        Args:
            root: the data folder; the vault is ``cases/`` in it.

        Raises:
            EvidenceError: the log is missing or empty although sealed cases exist, it was
                changed or cut, is of another site, or sealed cases do not continue it.
        """
        log = cls(root, site, signer, clock)
        try:
            log._must_not_be_lost()
        except OSError as problem:
            raise log._unusable(problem) from problem
        with log._held():
            log._read_whole()
            if unknown_seals(log.vault, log._known):
                log._enter_untold()
        return log

    @classmethod
    def resume(cls, root: Path, site: str, signer: Signer, clock: Clock) -> Self:
        """For a command that adds a line or two: nothing is read before the first turn, and then
        only the signed head and the frontier, where they fit the end of the log.

        Raises:
            EvidenceError: as `open`, some of them at the first turn.
        """
        if not (root / SITE_LOG).exists():
            return cls.open(root, site, signer, clock)
        return cls(root, site, signer, clock)

    @property
    def path(self) -> Path:
        return self._log.path

    @property
    def vault(self) -> Path:
        return self.root / CASES

    @property
    def head(self) -> str:
        """Chain of the last line that this object has seen."""
        return self._log.head

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """Hold the log against all others while something is done that it tells of. Whoever also
        locks a case folder does that before.

        Raises:
            EvidenceError: as `open`.
        """
        with self._held():
            self._catch_up()
            yield Turn(self)

    def missing_cases(self) -> tuple[str, ...]:
        """Cases that were sealed here, not deleted by rule, and are no longer in the vault; of a
        log that was read whole."""
        present = {path.name for path in case_folders(self.vault)}
        return tuple(sorted(self._known.sealed.keys() - self._known.purged.keys() - present))

    def inclusion(self, case_id: str) -> bytes:
        """Inclusion file of a case (`log_proofs`); outside a turn.

        Raises:
            EvidenceError: the log does not know the case, or is not as it was signed.
        """
        return inclusion(self.root, case_id, self._key_of)

    def consistency(self, older: bytes) -> bytes:
        """Consistency file from an older signed head to the present one; outside a turn.

        Raises:
            EvidenceError: the head does not count, or the log does not begin with what it signed.
        """
        first = read_head(older, self._key_of, "the older head")
        return consistency(self.root, first, self._key_of)

    def reconcile(self) -> tuple[tuple[Record, ...], tuple[tuple[str, EvidenceError], ...]]:
        """Enter what cases tell and the log does not know, whatever kept it out. Reads the custody
        of every case.

        Returns:
            The lines that were added; and the cases whose custody cannot be read, with why.

        Raises:
            EvidenceError: a sealed case does not continue the log.
        """
        with self._held():
            if self._told is None:
                self._read_whole()
            else:
                self._catch_up()
            return self._enter_untold()

    @contextmanager
    def _held(self) -> Iterator[None]:
        with ExitStack() as lock:
            try:
                lock.enter_context(waiting_lock(self.path))
            except OSError as problem:
                raise self._unusable(problem) from problem
            yield

    # --- all below: while the lock is held -------------------------------------------------------

    def _must_not_be_lost(self) -> None:
        if self.path.exists() and self.path.stat().st_size:
            return
        sealed = [path.name for path in case_folders(self.vault) if is_sealed(path)]
        if sealed or (self.root / SITE_HEAD).exists():
            raise EvidenceError(
                f"The log of the site {self.path} is missing or empty, but {len(sealed)} sealed "
                "cases or its signed head exist.",
                why="starting anew would hide every case that was taken away",
                remedy="Put log and head back from their copy; see docs/site-log.md, 'Put back'.",
            )
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.touch()

    def _catch_up(self) -> None:
        """Everything up to now, whoever wrote it, is known, signed and finished after this."""
        if not self._is_begun:
            self._resume_or_read()
            return
        head = self._head_on_disk()
        self._await(head)
        self._log.refresh()
        self._settle(head)

    def _resume_or_read(self) -> None:
        head = self._head_on_disk()
        resting = load_frontier(self.root, self.path) if head else None
        if head is None or resting is None or not _fits(head, resting):
            self._read_whole()
            return
        self._log.resume(head.size, head.chain, resting.offset)
        self._tree, self._last_seal = resting.tree, resting.last_seal
        self._await(head)
        self._log.refresh()
        self._settle(head)

    def _read_whole(self) -> None:
        head = self._head_on_disk()
        self._tree, self._last_seal, self._told = Frontier(), {}, Told()
        self._await(head)
        self._log.read()
        self._settle(head)

    def _settle(self, head: SiteHead | None) -> None:
        """Hold the log against its head, then finish what a crash cut off."""
        self._must_end_as_signed(head)
        self._log.cut_torn_tail()
        if not self._log.count:
            self._log.append(events.begun(self.site, to_iso(self._clock.now())))
        if head is None or head.size < self._log.count:
            self._sign()
        self._is_begun = True
        self._finish_pending()

    def _await(self, head: SiteHead | None) -> None:
        """Remember the root that the log had when ``head`` was signed, once it is that long."""
        self._awaited = head.size if head else 0
        self._root_there = self._root if self._tree.size == self._awaited else None

    def _learn(self, line: bytes, record: Record) -> None:
        self._tree.add(leaf_hash(line))
        if self._tree.size == self._awaited:
            self._root_there = self._root
        if record.get("event") == events.SEALED:
            self._last_seal = record
        if self._told is not None:
            self._told.learn(record)

    @property
    def _root(self) -> str:
        return self._tree.root.hex()

    @property
    def _known(self) -> Told:
        assert self._told is not None
        return self._told

    def _must_end_as_signed(self, head: SiteHead | None) -> None:
        """At most one line is ever ahead of the head: each line is signed before the next."""
        count = self._log.count
        if head is None:
            if count > 1:
                raise self._not_as_signed(f"there are {count} lines and no {SITE_HEAD}")
        elif head.site != self.site:
            raise self._not_as_signed(f"the head is of the site {head.site}")
        elif head.size > count:
            raise self._not_as_signed(f"signed were {head.size} lines, there are {count}")
        elif self._root_there is not None and self._root_there != head.root:
            raise self._not_as_signed(f"its first {head.size} lines are not those that were signed")
        elif not self._is_begun and count > head.size + 1:
            raise self._not_as_signed(f"nobody signed the last {count - head.size} lines")

    def _head_on_disk(self) -> SiteHead | None:
        path = self.root / SITE_HEAD
        return read_head_file(path, self._key_of) if path.exists() else None

    def _key_of(self, key_sha256: str, size: int) -> PublicKey | None:
        own = self._signer.public_pem
        return keys_of(Keyring.of_site(self.root), own)(key_sha256, size)

    def _sign(self) -> None:
        log, now = self._log, to_iso(self._clock.now())
        save_frontier(self.root, Resting(self._tree, log.head, log.offset, self._last_seal))
        head = sign_head(self.site, log.count, self._root, log.head, now, self._signer)
        write_atomic(self.root / SITE_HEAD, head)

    def _intend(self, event: Event) -> None:
        write_atomic(self._pending, canonical(link(event, self._log.count, self._log.head)))

    def _record(self, event: Event) -> Record:
        record = self._log.append(event)
        try:
            self._sign()
            self._pending.unlink(missing_ok=True)
        except OSError as problem:
            raise self._unusable(problem) from problem
        return record

    def _finish_pending(self) -> None:
        """What was intended and is done is told now; what was not done is forgotten."""
        try:
            line = self._pending.read_bytes()
        except FileNotFoundError:
            return
        event = _event_of(line, self._log)
        if event is not None and has_happened(self.root, event):
            self._record(event)
            _log.warning("site log continued after a crash", told_event=event["event"])
        self._pending.unlink(missing_ok=True)

    def _enter_untold(self) -> tuple[tuple[Record, ...], tuple[tuple[str, EvidenceError], ...]]:
        missing, unreadable = untold(self.vault, self._known)
        entered = []
        for each in missing:
            if each.link is not None and each.link != (self._log.count, self._log.head):
                raise EvidenceError(
                    f"The sealed case {each.event['case_id']} is not in the log of the site.",
                    why=f"its seal is line {each.link[0]}; the log has {self._log.count} lines, or "
                    "another head",
                    remedy="Put log, head and cases back from one copy, or take a case that came "
                    "from elsewhere out of the vault.",
                )
            entered.append(self._record(each.event))
        return tuple(entered), tuple(unreadable)

    def _not_as_signed(self, why: str) -> EvidenceError:
        return EvidenceError(
            f"The log of the site {self.path} is not as it was signed.",
            why=why,
            remedy="Keep both files as they are; `ivr log verify` says more. Put log and head back "
            "from one copy; see docs/site-log.md, 'Put back'.",
        )

    def _unusable(self, problem: OSError) -> EvidenceError:
        return EvidenceError(
            f"The log of the site {self.path} cannot be used.",
            why=problem.strerror or str(problem),
            remedy="Check its permissions and the disk.",
        )


class Turn:
    """The log while it is held; see `SiteLog.turn`."""

    def __init__(self, log: SiteLog) -> None:
        self._log = log

    @property
    def size(self) -> int:
        """Lines so far."""
        return self._log._log.count

    @property
    def link(self) -> SiteLink:
        """What the manifest of a case that is sealed now says."""
        log = self._log
        return SiteLink(
            n=log._log.count,
            previous_chain=log._log.head,
            previous_case_id=log._last_seal.get("case_id"),
            previous_seal_sha256=log._last_seal.get("seal_sha256"),
        )

    def intend(self, event: Event) -> None:
        """Say before it is done what `record` will say after it: should this process be killed in
        between, the next turn of any process looks whether it was done, and tells it."""
        self._log._intend(event)

    def record(self, event: Event) -> Record:
        """Add the line and sign the new head; waits for the disk.

        Raises:
            EvidenceError: the disk refused; what was intended is told at the next turn.
        """
        return self._log._record(event)


def _fits(head: SiteHead, resting: Resting) -> bool:
    stated = (head.size, head.root, head.chain)
    return stated == (resting.tree.size, resting.tree.root.hex(), resting.chain)


def _event_of(line: bytes, log: ChainedLog) -> Event | None:
    """Members of an intended line, if it is the one to come next."""
    try:
        record: dict[str, Any] = json.loads(line)
        event = {k: v for k, v in record.items() if k not in {"n", "previous", "chain"}}
        is_next = canonical(link(event, log.count, log.head)) == line
    except (ValueError, AttributeError, RecursionError, EvidenceError):
        return None
    return event if is_next else None
