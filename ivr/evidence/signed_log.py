"""A chained log under a signed Merkle head: what lies on the disk, held against what was signed.

Knows nothing of cases. Not locked: `site_log` holds the file around every call.
"""

from collections.abc import Callable
from pathlib import Path

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.algorithms import PublicKey
from ivr.evidence.chained import ChainedLog, Record, genesis
from ivr.evidence.durable import write_atomic
from ivr.evidence.events import Event
from ivr.evidence.frontier_cache import Resting, load_frontier, save_frontier
from ivr.evidence.heads import SiteHead, keys_of, read_head_file, sign_head
from ivr.evidence.keyring import Keyring
from ivr.evidence.layout import SITE_HEAD, SITE_LOG
from ivr.evidence.merkle import Frontier, leaf_hash
from ivr.evidence.signer import Signer


class SignedLog:
    """Log, head and frontier of one data folder.

    Args:
        learn: told of each line that is read or written.

    ``last_seal``: the last ``sealed`` line, or empty.
    """

    def __init__(
        self, root: Path, site: str, signer: Signer, clock: Clock, learn: Callable[[Record], None]
    ) -> None:
        self.last_seal: Record = {}
        self.is_begun = False
        self._root, self._site = root, site
        self._signer, self._clock = signer, clock
        self._tell = learn
        self._log = ChainedLog(root / SITE_LOG, genesis("site", site), self._learn)
        self._tree = Frontier()
        self._awaited = 0
        self._root_there: str | None = None

    @property
    def path(self) -> Path:
        return self._log.path

    @property
    def size(self) -> int:
        """Lines."""
        return self._log.count

    @property
    def head(self) -> str:
        """Chain of the last line."""
        return self._log.head

    def read_whole(self) -> None:
        """Check every line from the first. ``learn`` is told of all of them.

        Raises:
            EvidenceError: changed, cut, of another site, or not as it was signed.
        """
        head = self._head_on_disk()
        self._tree, self.last_seal = Frontier(), {}
        self._await(head)
        self._log.read()
        self._settle(head)

    def resume(self) -> bool:
        """Begin behind the last line that was signed, without reading those before. False, and
        nothing was done: there is no frontier that fits head and log.

        Raises:
            EvidenceError: as `read_whole`, as far as it shows there.
        """
        head = self._head_on_disk()
        resting = load_frontier(self._root, self.path) if head else None
        if head is None or resting is None or not _fits(head, resting):
            return False
        self._log.resume(head.size, head.chain, resting.offset)
        self._tree, self.last_seal = resting.tree, resting.last_seal
        self._catch_up(head)
        return True

    def refresh(self) -> None:
        """Lines that others added since the last look.

        Raises:
            EvidenceError: as `read_whole`, as far as it shows there.
        """
        self._catch_up(self._head_on_disk())

    def append(self, event: Event) -> Record:
        """Add a line and sign the new head; waits for the disk.

        Raises:
            EvidenceError: the line could not be added.
            OSError: the head could not be written; it will be at the next look.
        """
        record = self._log.append(event)
        self._sign()
        return record

    def key_of(self, key_sha256: str, size: int) -> PublicKey | None:
        """Keys that count for a head of this site (`heads.KeyOf`)."""
        own = self._signer.public_pem
        return keys_of(Keyring.of_site(self._root), own)(key_sha256, size)

    def key_now(self, key_sha256: str) -> PublicKey | None:
        """Keys that count for what is signed at the end of the log."""
        return self.key_of(key_sha256, self.size)

    def _catch_up(self, head: SiteHead | None) -> None:
        self._await(head)
        self._log.refresh()
        self._settle(head)

    def _await(self, head: SiteHead | None) -> None:
        """Remember the root that the log has when it is as long as ``head`` says."""
        self._awaited = head.size if head else 0
        self._root_there = self._tree.root.hex() if self._tree.size == self._awaited else None

    def _learn(self, line: bytes, record: Record) -> None:
        self._tree.add(leaf_hash(line))
        if self._tree.size == self._awaited:
            self._root_there = self._tree.root.hex()
        if record.get("event") == events.SEALED:
            self.last_seal = record
        self._tell(record)

    def _settle(self, head: SiteHead | None) -> None:
        """Hold the log against its head, then sign what a crash left unsigned."""
        self._must_end_as_signed(head)
        self._must_count()
        self._log.cut_torn_tail()
        if not self._log.count:
            self._log.append(events.begun(self._site, to_iso(self._clock.now())))
        if head is None or head.size < self._log.count:
            self._sign()
        self.is_begun = True

    def _must_end_as_signed(self, head: SiteHead | None) -> None:
        """At most one line is ever ahead of the head: each line is signed before the next."""
        count = self._log.count
        if head is None:
            if count > 1:
                raise self._not_as_signed(f"there are {count} lines and no {SITE_HEAD}")
        elif head.site != self._site:
            raise self._not_as_signed(f"the head is of the site {head.site}")
        elif head.size > count:
            raise self._not_as_signed(f"signed were {head.size} lines, there are {count}")
        elif self._root_there is not None and self._root_there != head.root:
            raise self._not_as_signed(f"its first {head.size} lines are not those that were signed")
        elif count > head.size + 1:
            raise self._not_as_signed(f"nobody signed the last {count - head.size} lines")

    def _must_count(self) -> None:
        """A process that began before its key was revoked would sign a head that nobody takes."""
        if self.key_now(self._signer.key_sha256) is None:
            raise EvidenceError(
                "The key with which this process signs was revoked.",
                why=f"{self._signer.key_sha256} counts up to an earlier line of the site log",
                remedy="Restart it (`ivr drain`, then `ivr serve`): it takes the key in use.",
            )

    def _head_on_disk(self) -> SiteHead | None:
        path = self._root / SITE_HEAD
        return read_head_file(path, self.key_of) if path.exists() else None

    def _sign(self) -> None:
        log, now = self._log, to_iso(self._clock.now())
        save_frontier(self._root, Resting(self._tree, log.head, log.offset, self.last_seal))
        root = self._tree.root.hex()
        head = sign_head(self._site, log.count, root, log.head, now, self._signer)
        write_atomic(self._root / SITE_HEAD, head)

    def _not_as_signed(self, why: str) -> EvidenceError:
        return EvidenceError(
            f"The log of the site {self.path} is not as it was signed.",
            why=why,
            remedy="Keep both files as they are; `ivr log verify` says more. Put log and head back "
            "from one copy; see docs/site-log.md, 'Put back'.",
        )


def _fits(head: SiteHead, resting: Resting) -> bool:
    stated = (head.size, head.root, head.chain)
    return stated == (resting.tree.size, resting.tree.root.hex(), resting.chain)
