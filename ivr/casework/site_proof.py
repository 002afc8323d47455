"""Proving a whole site: that its log is the one that was signed, at every moment of which a head is
kept, and that its cases are those of the log, each with the custody that the log tells.

What a single case cannot show is found here: a case taken away or put in, custody put back to an
older state together with its signed head, a log made anew or put back. Reads only. A house that
goes on working does not disturb it: what seems odd is looked at again while it is held.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ivr.casework.site_cases import CaseDesk
from ivr.casework.site_keys import key_faults
from ivr.casework.site_state import SiteKeys, SiteState, SiteTrust
from ivr.errors import EvidenceError, IvrError
from ivr.evidence.heads import SiteHead, published, read_head, read_head_file
from ivr.evidence.layout import HEADS, SITE_HEAD
from ivr.facts.cases import VerificationStep

LOG, HEAD, KEYS = "site log", "signed head", "keys"
EARLIER, HELD = "earlier heads", "heads that were kept"
PLACES, STRANGERS, CUSTODY = "cases in their place", "no other cases", "custody"
PURGED, HALF_DONE, WHOLE = "deletions", "nothing half done", "each case whole"

WholeCase = Callable[[Path], str]
"""Verifies one case in all its steps; returns what is wrong, or nothing."""
Progress = Callable[[int, int], object]
"""Told how many of how many cases are done."""
_NAMED = 5


class Odd(Exception):
    """A step does not hold; the message says why."""


def prove_log(
    root: Path, trust: SiteTrust, held: Sequence[Path] = ()
) -> tuple[VerificationStep, ...]:
    """The steps about the log alone: chain, signed head, keys, earlier heads, ``held`` heads.

    Raises:
        EvidenceError: ``root`` has no log of a site, or the reader's own key cannot be read.
    """
    return _numbered(_SiteProof(root, trust, held).of_log())


def prove_site(
    root: Path,
    trust: SiteTrust,
    held: Sequence[Path] = (),
    *,
    whole_case: WholeCase | None = None,
    progress: Progress = lambda _done, _all: None,
) -> tuple[VerificationStep, ...]:
    """`prove_log`, then every case against the log.

    Args:
        root: a data folder, or a copy of one.
        held: files of heads that the reader has kept.
        whole_case: verify each case entirely, too.

    Raises:
        EvidenceError: as `prove_log`.
    """
    proof = _SiteProof(root, trust, held)
    return _numbered((*proof.of_log(), *proof.of_cases(whole_case, progress)))


def _numbered(steps: Sequence[tuple[str, bool, str]]) -> tuple[VerificationStep, ...]:
    return tuple(VerificationStep(n, *step) for n, step in enumerate(steps, 1))


class _SiteProof:
    """Each public method but `of_log` and `of_cases` is a step: returns its detail or raises."""

    def __init__(self, root: Path, trust: SiteTrust, held: Sequence[Path]) -> None:
        self._root, self._trust, self._held = root, trust, held
        self._keys = SiteKeys.read(root, trust)
        self._state = SiteState.read(root)
        self._cases = CaseDesk(self._state, self._keys)

    def of_log(self) -> list[tuple[str, bool, str]]:
        steps = [_step(LOG, self.log), _step(HEAD, self.head), _step(KEYS, self.keys)]
        steps.append(_step(EARLIER, self.earlier_heads))
        if self._held:
            steps.append(_step(HELD, self.held_heads))
        return steps

    def of_cases(
        self, whole_case: WholeCase | None, progress: Progress
    ) -> Iterator[tuple[str, bool, str]]:
        yield _step(PLACES, self.places)
        yield _step(STRANGERS, self.strangers)
        yield _step(CUSTODY, self.custody)
        yield _step(PURGED, self.deletions)
        yield _step(HALF_DONE, self.half_done)
        if whole_case is not None:
            yield _step(WHOLE, lambda: self.whole(whole_case, progress))

    def log(self) -> str:
        if self._state.problem is not None:
            raise Odd(f"{self._state.problem.what} {self._state.problem.why}")
        told = self._state.told
        return (
            f"{self._state.size} lines of {self._state.site}, "
            f"{len(told.sealed)} seals, last at {self._state.last.get('at')}"
        )

    def head(self) -> str:
        if self._state.head is None:
            raise Odd(f"{SITE_HEAD} is missing: nothing says how long the log was")
        head = read_head(self._state.head, self._keys.key_of)
        self._must_lead_here(head)
        if head.size != self._state.size:
            ahead = self._state.size - head.size
            raise Odd(
                f"the last {ahead} lines are not signed; `ivr recover` signs one after a crash"
            )
        if head.chain != self._state.last.get("chain"):
            raise Odd("it names another last line than the log has")
        return f"root {head.root} over {head.size} lines, signed at {head.at} by {head.key_sha256}"

    def keys(self) -> str:
        if self._keys.problem is not None:
            raise Odd(f"{self._keys.problem.what} {self._keys.problem.why}")
        faults = key_faults(self._keys, self._state)
        if faults:
            raise Odd(_some(faults))
        ring = self._keys.ring
        told = f"{len(self._state.keys)} changes of keys are in the log"
        held = "from the key at hand" if self._keys.trusted else "not compared with a key (--key)"
        return f"keyring of {len(ring.endorsed)} keys, {held}; {told}" if ring else f"none; {held}"

    def earlier_heads(self) -> str:
        folder = self._trust.heads or self._root / HEADS
        files = published(folder)
        if not files:
            return f"none in {folder}: a log put back with its head is found by heads given away"
        return self._compare(files)

    def held_heads(self) -> str:
        return self._compare(self._held)

    def places(self) -> str:
        missing = self._cases.misplaced()
        if missing:
            raise Odd(_some(missing))
        return f"{self._cases.kept} cases have the seal that the log tells"

    def strangers(self) -> str:
        strangers, still_open = self._cases.strangers()
        if strangers:
            raise Odd(f"sealed, and not in the log: {_some(strangers)}")
        return f"none; {still_open} not sealed yet" if still_open else "none"

    def custody(self) -> str:
        faults, entries = self._cases.custody_faults()
        if faults:
            raise Odd(_some(faults))
        return f"{entries} entries after the seals, each as the log tells"

    def deletions(self) -> str:
        faults = self._cases.deletion_faults()
        if faults:
            raise Odd(_some(faults))
        purged = self._state.told.purged
        now = [case_id for case_id in purged if self._cases.is_being_deleted(case_id)]
        at_work = f"; still at work on {_some(now)}" if now else ""
        return f"{len(purged)} cases deleted, each with its tombstone{at_work}"

    def half_done(self) -> str:
        if self._state.pending is not None:
            raise Odd(
                "something that the log tells of was being done when the machine stopped, or the "
                "disk was full: `ivr recover` finishes it"
            )
        return "no entry waits to be told"

    def whole(self, whole_case: WholeCase, progress: Progress) -> str:
        wrong, paths = [], self._cases.present()
        for done, path in enumerate(paths, 1):
            said = whole_case(path)
            if said:
                wrong.append(f"{path.name}: {said}")
            progress(done, len(paths))
        if wrong:
            raise Odd(_some(wrong))
        return f"{len(paths)} cases, every step of each holds"

    def _compare(self, files: Sequence[Path]) -> str:
        """Heads of any age against the log; one walk over its lines for all of them."""
        heads, wrong = [], []
        for file in files:
            try:
                heads.append((file, read_head_file(file, self._keys.key_of)))
            except EvidenceError as problem:
                wrong.append(f"{file.name}: {problem.why}")
        roots = self._state.roots_at({head.size for _, head in heads})
        for file, head in heads:
            said = self._fault(head, roots)
            if said:
                wrong.append(f"{file.name}: {said}")
        if wrong:
            raise Odd(_some(wrong))
        oldest = min(head.at for _, head in heads)
        return f"the log continues all {len(heads)}, the oldest of {oldest}"

    def _must_lead_here(self, head: SiteHead) -> None:
        said = self._fault(head, self._state.roots_at({head.size}))
        if said:
            raise Odd(said)

    def _fault(self, head: SiteHead, roots: dict[int, str]) -> str:
        """Why the log does not continue the head; empty when it does."""
        if head.site != self._state.site:
            return f"it is of the site {head.site}"
        if head.size not in roots:
            return (
                f"{head.size} lines were signed at {head.at}, the log has {self._state.size}: "
                "it was cut or put back"
            )
        if roots[head.size] != head.root:
            return f"the first {head.size} lines are not those that were signed at {head.at}"
        return ""


def _step(name: str, check: Callable[[], str]) -> tuple[str, bool, str]:
    try:
        return name, True, check()
    except Odd as odd:
        return name, False, str(odd)
    except IvrError as problem:
        return name, False, f"{problem.what} {problem.why}"
    except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
        return name, False, f"cannot be read: {type(problem).__name__} {problem}"


def _some(items: Sequence[str]) -> str:
    more = f"; and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return "; ".join(items[:_NAMED]) + more
