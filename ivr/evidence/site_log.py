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

from ivr.clock import Clock
from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import Record, link
from ivr.evidence.durable import waiting_lock, write_atomic
from ivr.evidence.events import Event
from ivr.evidence.heads import read_head
from ivr.evidence.layout import CASES, SITE_HEAD, SITE_LOG, SITE_PENDING, case_folders, is_sealed
from ivr.evidence.log_proofs import consistency, inclusion
from ivr.evidence.signed_log import SignedLog
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


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What `SiteLog.reconcile` did: lines that were added, and cases whose custody cannot be
    read."""

    entered: tuple[Record, ...]
    unreadable: tuple[tuple[str, EvidenceError], ...]


class SiteLog:
    """site-log.jsonl in the data folder. One object a process; processes take turns by flock."""

    def __init__(self, root: Path, site: str, signer: Signer, clock: Clock) -> None:
        self.root, self.site = root, site
        self._lines = SignedLog(root, site, signer, clock, self._learn)
        self._pending = root / SITE_PENDING
        self._told: Told | None = None
        """None: lines were passed over, so what they tell is not known."""

    @classmethod
    def open(cls, root: Path, site: str, signer: Signer, clock: Clock) -> Self:
        """Read and check the whole log against its signed head; begin it at a site that never
        sealed. What was sealed and not told is told now, from the cases.

        Args:
            root: the data folder; the vault is ``cases/`` in it.

        Raises:
            EvidenceError: the log is missing or empty although sealed cases exist, it was
                changed or cut, is of another site, or sealed cases do not continue it.
        """
        log = cls(root, site, signer, clock)
        with log._named():
            log._must_not_be_lost()
            with waiting_lock(log.path):
                known = log._read_whole()
                if unknown_seals(log.vault, known):
                    log._enter_untold(known)
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
        return self._lines.path

    @property
    def vault(self) -> Path:
        return self.root / CASES

    @property
    def head(self) -> str:
        """Chain of the last line that this object has seen."""
        return self._lines.head

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """Hold the log against all others while something is done that it tells of. Whoever also
        locks a case folder does that before.

        Raises:
            EvidenceError: as `open`.
        """
        with ExitStack() as lock:
            with self._named():
                lock.enter_context(waiting_lock(self.path))
                self._catch_up()
            yield Turn(self, self._lines)

    def reconcile(self) -> Reconciled:
        """Tell what cases tell and the log does not know, whatever kept it out. Reads the custody
        of every case.

        Raises:
            EvidenceError: a sealed case does not continue the log.
        """
        with self._named(), waiting_lock(self.path):
            if self._told is None:
                return self._enter_untold(self._read_whole())
            self._catch_up()
            return self._enter_untold(self._told)

    def inclusion(self, case_id: str) -> bytes:
        """Inclusion file of a case (`log_proofs`); outside a turn.

        Raises:
            EvidenceError: the log does not know the case, or is not as it was signed.
        """
        return inclusion(self.root, case_id, self._lines.key_of)

    def consistency(self, older: bytes) -> bytes:
        """Consistency file from an older signed head to the present one; outside a turn.

        Raises:
            EvidenceError: the head does not count, or the log does not begin with what it signed.
        """
        first = read_head(older, self._lines.key_of, "the older head")
        return consistency(self.root, first, self._lines.key_of)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What the disk refuses is told with the name of the log."""
        try:
            yield
        except OSError as problem:
            raise EvidenceError(
                f"The log of the site {self.path} cannot be used.",
                why=problem.strerror or str(problem),
                remedy="Check its permissions and the disk.",
            ) from problem

    # --- all below: while the log is held --------------------------------------------------------

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

    def _learn(self, record: Record) -> None:
        if self._told is not None:
            self._told.learn(record)

    def _catch_up(self) -> None:
        """Everything up to now, whoever wrote it, is known, signed and finished after this."""
        if self._lines.is_begun:
            self._lines.refresh()
        elif not self._lines.resume():
            self._read_whole()
        self._finish_pending()

    def _read_whole(self) -> Told:
        self._told = Told()
        self._lines.read_whole()
        self._finish_pending()
        return self._told

    def _record(self, event: Event) -> Record:
        with self._named():
            record = self._lines.append(event)
            self._pending.unlink(missing_ok=True)
        return record

    def _finish_pending(self) -> None:
        """What was intended and is done is told now; what was not done is forgotten."""
        try:
            line = self._pending.read_bytes()
        except FileNotFoundError:
            return
        event = _event_of(line, self._lines)
        if event is not None and has_happened(self.root, event, self._lines.key_now):
            self._record(event)
            _log.warning("site log continued after a crash", told_event=event["event"])
        self._pending.unlink(missing_ok=True)

    def _enter_untold(self, known: Told) -> Reconciled:
        missing, unreadable = untold(self.vault, known, self._lines.key_now)
        entered = []
        for each in missing:
            if each.link is not None and each.link != (self._lines.size, self._lines.head):
                raise EvidenceError(
                    f"The sealed case {each.event['case_id']} is not in the log of the site.",
                    why=f"its seal is line {each.link[0]} after another line than the last, which "
                    f"is {self._lines.size - 1}",
                    remedy="Put log, head and cases back from one copy, or take a case that came "
                    "from elsewhere out of the vault.",
                )
            entered.append(self._record(each.event))
        return Reconciled(tuple(entered), tuple(unreadable))


class Turn:
    """The log while it is held; see `SiteLog.turn`."""

    def __init__(self, log: SiteLog, lines: SignedLog) -> None:
        self._log, self._lines = log, lines

    @property
    def size(self) -> int:
        """Lines so far."""
        return self._lines.size

    @property
    def link(self) -> SiteLink:
        """What the manifest of a case that is sealed now says."""
        last = self._lines.last_seal
        return SiteLink(
            n=self._lines.size,
            previous_chain=self._lines.head,
            previous_case_id=last.get("case_id"),
            previous_seal_sha256=last.get("seal_sha256"),
        )

    def intend(self, event: Event) -> None:
        """Say before it is done what `record` will say after it: should this process be killed in
        between, the next turn of any process looks whether it was done, and tells it."""
        line = canonical(link(event, self._lines.size, self._lines.head))
        write_atomic(self._log.root / SITE_PENDING, line)

    def record(self, event: Event) -> Record:
        """Add the line and sign the new head; waits for the disk.

        Raises:
            EvidenceError: the disk refused; what was intended is told at the next turn.
        """
        return self._log._record(event)


def _event_of(line: bytes, lines: SignedLog) -> Event | None:
    """Members of an intended line, if it is the one to come next."""
    try:
        record: dict[str, Any] = json.loads(line)
        event = {k: v for k, v in record.items() if k not in {"n", "previous", "chain"}}
        is_next = canonical(link(event, lines.size, lines.head)) == line
    except (ValueError, AttributeError, RecursionError, EvidenceError):
        return None
    return event if is_next else None
