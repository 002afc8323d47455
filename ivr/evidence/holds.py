"""Legal holds, read from the custody of a case: who wants it kept, and until when.

A hold is an entry ``held`` of the custody log (facts: ``until``, an ISO date or null); it ends with
an entry ``released`` that names it (facts: ``holds``, numbers of entries), or when its last day in
Vietnam is over. Several may stand at the same time: one order's release does not lift another's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ivr.clock import VIETNAM, Clock
from ivr.errors import UsageError
from ivr.evidence.chained import Record
from ivr.evidence.custody import Custodian, CustodyAction, append_custody, read_custody


@dataclass(frozen=True, slots=True)
class Hold:
    """One that stands.

    Args:
        entry: number of its custody entry, by which it is released.
        at: when it was set, RFC 3339.
        until: its last day, in Vietnam; None: until it is released.
    """

    entry: int
    at: str
    actor: str
    reason: str
    until: date | None


def today(clock: Clock) -> date:
    """The day it is in Vietnam."""
    return clock.now().astimezone(VIETNAM).date()


def standing(records: Sequence[Record], on: date) -> tuple[Hold, ...]:
    """Holds that stand on a day in Vietnam, oldest first."""
    holds: dict[int, Hold] = {}
    for record in records:
        facts = record.get("facts") or {}
        if record.get("action") == CustodyAction.HELD:
            until = facts.get("until")
            holds[record["n"]] = Hold(
                record["n"],
                record["at"],
                record["actor"],
                record["reason"],
                date.fromisoformat(until) if until else None,
            )
        elif record.get("action") == CustodyAction.RELEASED:
            for entry in facts.get("holds", ()):
                holds.pop(entry, None)
    return tuple(h for h in holds.values() if h.until is None or on <= h.until)


def holds_of(path: Path, on: date) -> tuple[Hold, ...]:
    """Holds of the case at ``path`` that stand on a day in Vietnam.

    Raises:
        EvidenceError: its custody cannot be read.
    """
    return standing(read_custody(path), on)


def hold(
    path: Path, custodian: Custodian, *, actor: str, reason: str, until: date | None
) -> Record:
    """Keep a case whatever the rules of retention say, until released or to the end of a day.

    Raises:
        UsageError: that day is over.
        EvidenceError: no case of this site, it was deleted, or the disk refused.
    """
    if until is not None and until < today(custodian.clock):
        raise UsageError(
            "The hold would be over before it begins.",
            why=f"{until} has passed",
            remedy="Give the last day it stands, or leave --until out.",
        )
    facts = {"until": until.isoformat() if until else None}
    action = CustodyAction.HELD
    return append_custody(path, action, custodian, actor=actor, reason=reason, facts=facts)


def release(
    path: Path, custodian: Custodian, *, actor: str, reason: str, entries: Sequence[int] = ()
) -> Record:
    """Lift holds of a case.

    Args:
        entries: which ones; none: the only one that stands.

    Raises:
        UsageError: none stands, not those, or several and none was named.
        EvidenceError: as `hold`.
    """
    day = today(custodian.clock)
    chosen: list[int] = list(entries)

    def choose(records: Sequence[Record]) -> None:
        found = [each.entry for each in standing(records, day)]
        if not chosen and len(found) == 1:
            chosen.extend(found)
        if not chosen or not set(chosen) <= set(found):
            raise UsageError(
                f"No such hold of the case {path.name} can be released.",
                why=f"holds {', '.join(map(str, found))} stand" if found else "none stands",
                remedy="Name one with --hold N; `ivr cases show` lists them.",
            )

    return append_custody(
        path,
        CustodyAction.RELEASED,
        custodian,
        actor=actor,
        reason=reason,
        facts={"holds": chosen},
        check=choose,
    )
