"""Deletes a case: on record, step by step, and to the end however often it is cut off.

An order is on the disk before anything is done, and goes away last. In between: the ledger takes no
more reports of the case; custody ends with ``purged``; the tombstone stands and the log of the site
tells of it; the ledger forgets the people; folder, laid out reports and case key go. Each step may
be taken twice, so whoever finds an order carries it out from the beginning.
"""

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ivr.casework.places import Places
from ivr.errors import EvidenceError, IvrError, UsageError
from ivr.evidence import events
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.chained import Record
from ivr.evidence.custody import (
    Custodian,
    CustodyAction,
    append_custody,
    heal_custody,
    is_deleted,
    read_custody,
)
from ivr.evidence.durable import sync_folder, try_lock, unlock, write_atomic
from ivr.evidence.holds import standing, today
from ivr.evidence.layout import ORDER_SUFFIX, TOMBSTONES, seal_digest
from ivr.evidence.tombstone import Tombstone, tombstone_path, write_tombstone
from ivr.facts.reports import Delivery
from ivr.storage.ledger import Ledger
from ivr.telemetry import logger

BY_HAND = "by hand"
_WAIT_S = 30.0
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """That a case shall be deleted.

    Args:
        actor: who says so, as in custody.
        rule: the setting that it follows, or `BY_HAND`.
        label: of the verdict.
    """

    case_id: str
    actor: str
    reason: str
    rule: str
    label: str


@dataclass(frozen=True, slots=True)
class Purged:
    """What became of an order; ``problem``: why the case is still there."""

    case_id: str
    problem: IvrError | None = None


class Purger:
    """Deletes cases of one installation, one at a time, whichever process asks."""

    def __init__(self, places: Places, ledger: Ledger, custodian: Custodian) -> None:
        self._places, self._ledger, self._custodian = places, ledger, custodian

    async def purge(self, order: Order) -> None:
        """Delete the case and all that the installation has of it but its tombstone.

        Raises:
            UsageError: it is held, or a report of it is open.
            EvidenceError, StorageError: a disk refused; the next start goes on from there.
        """
        async with self.alone():
            await asyncio.to_thread(self._write_order, order)
            await self._carry_out(order)

    async def finish(self) -> tuple[Purged, ...]:
        """Carry out every order that was cut off."""
        if not self._folder.is_dir():
            return ()
        async with self.alone():
            for draft in self._folder.glob(".*.tmp"):
                draft.unlink()
            orders = sorted(self._folder.glob(f".*{ORDER_SUFFIX}"))
            return tuple([await self._resume(file) for file in orders])

    async def _resume(self, file: Path) -> Purged:
        case_id = file.name.removeprefix(".").removesuffix(ORDER_SUFFIX)
        try:
            order = Order(**json.loads(await asyncio.to_thread(file.read_bytes)))
            await self._carry_out(order)
        except IvrError as problem:
            _log.error("case.not_deleted", case_id=case_id, **problem.as_dict())
            return Purged(case_id, problem)
        return Purged(case_id)

    @property
    def _folder(self) -> Path:
        return self._places.root / TOMBSTONES

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the tombstones against every other process that deletes.

        Raises:
            EvidenceError: one has been deleting for long.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        until = time.monotonic() + _WAIT_S
        while (lock := try_lock(self._folder)) is None:
            if time.monotonic() > until:
                raise EvidenceError(
                    "Nothing was deleted.",
                    why=f"another process has been deleting for more than {_WAIT_S:.0f} s",
                    remedy="Wait for it (`ivr serve`, `ivr retention run`), then repeat.",
                )
            await asyncio.sleep(0.05)
        try:
            yield
        finally:
            unlock(lock)

    def _order_path(self, case_id: str) -> Path:
        return self._folder / f".{case_id}{ORDER_SUFFIX}"

    def _write_order(self, order: Order) -> None:
        case = self._places.case(order.case_id)
        if not case.is_dir() and not tombstone_path(self._places.root, order.case_id).exists():
            raise UsageError(
                f"The case {order.case_id} cannot be deleted.",
                why=f"{case} is not there",
                remedy="`ivr doctor` names cases that are gone without a tombstone.",
            )
        try:
            write_atomic(self._order_path(order.case_id), canonical(asdict(order)), 0o600)
        except OSError as problem:
            raise _refused(order.case_id, problem) from problem

    async def _carry_out(self, order: Order) -> None:
        if not tombstone_path(self._places.root, order.case_id).exists():
            await self._end_custody(order)
        await asyncio.to_thread(self._tell, order)
        await self._ledger.erasure.finish(order.case_id)
        await asyncio.to_thread(self._remove, order.case_id)
        _log.info("case.deleted", case_id=order.case_id, rule=order.rule)

    async def _end_custody(self, order: Order) -> None:
        """Up to the entry in custody the case may still stay."""
        case = self._places.case(order.case_id)
        erasure, now = self._ledger.erasure, self._custodian.clock.now()
        try:
            waiting = await erasure.begin(order.case_id, now)
            if waiting:
                raise _waits(order.case_id, waiting)
            await asyncio.to_thread(self._enter, order)
        except IvrError:
            if not await asyncio.to_thread(_is_ending, case):
                await erasure.undo(order.case_id)
                self._order_path(order.case_id).unlink(missing_ok=True)
            raise

    def _enter(self, order: Order) -> None:
        case, clock = self._places.case(order.case_id), self._custodian.clock
        if _is_ending(case):
            return

        def must_not_be_held(records: Sequence[Record]) -> None:
            holds = standing(records, today(clock))
            if holds:
                raise UsageError(
                    f"The case {order.case_id} is held and was not deleted.",
                    why="; ".join(f"by {h.actor} since {h.at}: {h.reason}" for h in holds),
                    remedy=f"`ivr cases release {order.case_id}` first, if the hold is over.",
                )

        append_custody(
            case,
            CustodyAction.PURGED,
            self._custodian,
            actor=order.actor,
            reason=order.reason,
            facts={"label": order.label, "rule": order.rule},
            check=must_not_be_held,
        )

    def _tell(self, order: Order) -> None:
        """Tombstone and log of the site. Where the tombstone stands, a turn of the log tells it."""
        case_id, root = order.case_id, self._places.root
        signer, log = self._custodian.signer, self._custodian.site_log
        if tombstone_path(root, case_id).exists():
            with log.turn():
                return
        case = self._places.case(case_id)
        records = read_custody(case)
        first, last = records[0], records[-1]
        stone = Tombstone(
            at=last["at"],
            by=last["actor"],
            case_id=case_id,
            custody_chain=last["chain"],
            label=last["facts"]["label"],
            reason=last["reason"],
            rule=last["facts"]["rule"],
            seal_sha256=seal_digest(case),
            sealed_at=first["at"],
            site=log.site,
        )
        content = stone.signed(signer)
        told = events.purged(
            case_id, stone.seal_sha256, stone.custody_chain, sha256_hex(content), stone.at
        )
        try:
            with log.turn() as turn:
                turn.intend(told)
                write_tombstone(root, case_id, content)
                turn.record(told)
        except OSError as problem:
            raise _refused(case_id, problem) from problem

    def _remove(self, case_id: str) -> None:
        """Folder, then what was made of it, then its key, then the order."""
        places = self._places
        case, hidden = places.case(case_id), places.vault / f".{case_id}{ORDER_SUFFIX}"
        try:
            if case.exists():
                case.rename(hidden)
                sync_folder(places.vault)
            if hidden.exists():
                shutil.rmtree(hidden)
            _remove_named(places.vault, re.compile(rf"\.{re.escape(case_id)}\."))
            _remove_named(places.outbox, re.compile(rf"(.*[.-])?{re.escape(case_id)}[.-]"))
            _unlink(places.case_key(case_id))
            _unlink(self._order_path(case_id))
        except OSError as problem:
            raise _refused(case_id, problem) from problem


def _is_ending(case: Path) -> bool:
    """Whether custody ends with ``purged``, a line that a crash kept out included."""
    if not case.is_dir():
        return False
    heal_custody(case)
    return is_deleted(read_custody(case))


def _remove_named(folder: Path, named: re.Pattern[str]) -> None:
    """Drafts beside a case; reports and receipts that were laid out for a person."""
    if not folder.is_dir():
        return
    for entry in os.scandir(folder):
        if named.match(entry.name):
            path = Path(entry.path)
            shutil.rmtree(path) if entry.is_dir(follow_symlinks=False) else path.unlink()
    sync_folder(folder)


def _unlink(path: Path) -> None:
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def _waits(case_id: str, waiting: Sequence[Delivery]) -> UsageError:
    told = ", ".join(f"{each.report_id[:12]} is {each.state.value}" for each in waiting)
    return UsageError(
        f"A report of the case {case_id} is open, and the case was not deleted.",
        why=told,
        remedy="Wait for it, or `ivr reports confirm` or `ivr reports withdraw` it.",
    )


def _refused(case_id: str, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"The deletion of {case_id} could not be finished.",
        why=f"{problem.filename or ''} {problem.strerror or problem}".strip(),
        remedy="Check free space and permissions; `ivr retention run` goes on from there.",
    )
