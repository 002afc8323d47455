"""How long cases are kept: which are due by the rule of their label, and what keeps a due one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ivr.casework.places import Places
from ivr.casework.purging import Order, Purged, Purger
from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.evidence.custody import read_custody
from ivr.evidence.holds import standing, today
from ivr.evidence.locked import is_locked
from ivr.evidence.timestamp import TOKEN
from ivr.facts.cases import CaseSummary
from ivr.facts.judgement import Label
from ivr.facts.reports import Delivery
from ivr.settings import Settings
from ivr.storage.ledger import Ledger
from ivr.telemetry import logger

_ALL = 10_000_000
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A case and its rule.

    Args:
        rule: the setting and its value, e.g. ``retention.clean_days=1``.
        due_at: when it goes by itself; None: never.
        obstacles: what keeps it all the same, for people.
    """

    case_id: str
    label: str
    rule: str
    due_at: datetime | None
    obstacles: tuple[str, ...] = ()

    def goes(self, now: datetime) -> bool:
        """Whether it would be deleted now."""
        return self.due_at is not None and self.due_at <= now and not self.obstacles


async def plan(
    settings: Settings, ledger: Ledger, clock: Clock, *, due_only: bool = False
) -> tuple[Kept, ...]:
    """Every case with its rule, those that go first at the top.

    Args:
        due_only: only cases whose time has come; asks for no other.

    Raises:
        StorageError: the ledger cannot be read.
    """
    waiting = await ledger.erasure.open_reports()
    reported = await ledger.erasure.reported()
    now = clock.now()
    found = []
    cases = await (_old(settings, ledger, now) if due_only else ledger.cases(limit=_ALL))
    for case in cases:
        rule = settings.retention.rule(case.label, is_reported=case.case_id in reported)
        kept = await asyncio.to_thread(_look, case, rule, settings, waiting, clock)
        if not due_only or (kept.due_at is not None and kept.due_at <= now):
            found.append(kept)
    return tuple(sorted(found, key=_order))


async def run(settings: Settings, ledger: Ledger, purger: Purger, clock: Clock) -> list[Purged]:
    """Delete what is due; one case that cannot go does not keep the others.

    Raises:
        StorageError: the ledger cannot be read.
    """
    done = []
    for kept in await plan(settings, ledger, clock, due_only=True):
        if not kept.goes(clock.now()):
            continue
        order = Order(
            kept.case_id,
            f"ivr at {settings.evidence.site}",
            "kept as long as its rule says",
            kept.rule,
            kept.label,
        )
        try:
            await purger.purge(order)
            done.append(Purged(kept.case_id))
        except IvrError as problem:
            _log.error("case.not_deleted", case_id=kept.case_id, **problem.as_dict())
            done.append(Purged(kept.case_id, problem))
    return done


async def _old(settings: Settings, ledger: Ledger, now: datetime) -> list[CaseSummary]:
    """Cases that were opened so long ago that they may be due: a case is sealed after that."""
    found: list[CaseSummary] = []
    for label in Label:
        terms = (settings.retention.days(label), settings.retention.reported_days)
        days = min(filter(None, terms), default=0)
        if days:
            before = now - timedelta(days=days)
            found += await ledger.cases(limit=_ALL, label=label.value, before=before)
    return found


def stamp_waits(path: Path, settings: Settings) -> bool:
    """Whether a time-stamp of the seal is wanted and has not come; an encrypted case gets none."""
    is_wanted = bool(settings.timestamp.url) and not is_locked(path)
    return is_wanted and not (path / TOKEN).exists()


def _look(
    case: CaseSummary,
    of_settings: tuple[str, float],
    settings: Settings,
    waiting: Mapping[str, Sequence[Delivery]],
    clock: Clock,
) -> Kept:
    name, days = of_settings
    rule = f"retention.{name}={days:g}"
    path = Places.of(settings).case(case.case_id)
    obstacles = [
        f"report {each.report_id[:12]} is {each.state.value}"
        for each in waiting.get(case.case_id, ())
    ]
    if stamp_waits(path, settings):
        obstacles.append("the time-stamp of its seal has not come")
    try:
        records = read_custody(path)
        sealed_at = datetime.fromisoformat(records[0]["at"])
    except (IvrError, IndexError, KeyError, ValueError) as problem:
        unreadable = f"its custody cannot be read: {problem}"
        return Kept(case.case_id, case.label, rule, None, (*obstacles, unreadable))
    obstacles += [
        f"held by {hold.actor} since {hold.at}" + (f" until {hold.until}" if hold.until else "")
        for hold in standing(records, today(clock))
    ]
    due_at = sealed_at + timedelta(days=days) if days else None
    return Kept(case.case_id, case.label, rule, due_at, tuple(obstacles))


def _order(kept: Kept) -> tuple[bool, str, str]:
    return kept.due_at is None, kept.due_at.isoformat() if kept.due_at else "", kept.case_id
