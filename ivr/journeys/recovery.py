"""After a crash: seal what was left open, enter what was sealed but never entered, stamp seals."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from ivr.casefile import SealedCase, read_case
from ivr.clock import to_iso
from ivr.errors import IvrError
from ivr.evidence.layout import case_folders, is_sealed
from ivr.evidence.reconciling import reconcile
from ivr.evidence.recovery import UnsealedCase, find_unsealed
from ivr.evidence.stamping import Stamper
from ivr.facts.audio import WireLog
from ivr.house import House
from ivr.journeys.closing import Heard, close_case, file_case
from ivr.media.repair import repair

KILLED = "the process was killed before the case was sealed"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one case.

    Args:
        action: ``sealed``, ``told`` (to the log of the site), ``entered``, ``stamped``; ``failed``
            or ``not stamped`` (``detail`` says why; a seal waits for its time-stamp as long as it
            takes, so that is no failure).
    """

    case_id: str
    action: str
    detail: str


async def recover(house: House) -> tuple[Recovered, ...]:
    """Seal every unsealed case that no living process holds, then enter every sealed case that
    the ledger does not know. Idempotent; one bad case does not keep the others back."""
    unsealed = await asyncio.to_thread(find_unsealed, house.vault, house.clock)
    done = [Recovered(path.name, "failed", str(problem)) for path, problem in unsealed.unusable]
    done += [await _seal(case, house) for case in unsealed.cases]
    sealed_now = {entry.case_id for entry in done}
    done += await _tell_site_log(house)
    known = {
        summary.case_id for summary in await house.ledger.cases(limit=10_000_000, with_purged=True)
    }
    for path in await asyncio.to_thread(case_folders, house.vault):
        if path.name not in known | sealed_now and is_sealed(path):
            done.append(await _enter(path, house))
    for entry in done:
        tell = house.log.error if entry.action == "failed" else house.log.info
        tell("case.recovered", case_id=entry.case_id, action=entry.action, detail=entry.detail)
    return tuple(done)


async def _tell_site_log(house: House) -> list[Recovered]:
    """What a crash kept out of custody logs and the log of the site."""
    done = await asyncio.to_thread(reconcile, house.site_log)
    told = [
        Recovered(each["case_id"], "told", f"line {each['n']} of the site log: {each['event']}")
        for each in done.entered
    ]
    return told + [Recovered(name, "failed", str(problem)) for name, problem in done.unreadable]


async def stamp_waiting(house: House) -> tuple[Recovered, ...]:
    """Ask for the time-stamps that lack, if the settings name an authority.

    Raises:
        SettingsError: its certificates cannot be read.
    """
    if not house.settings.timestamp.url:
        return ()
    stamped = await Stamper(house.vault, house.settings.timestamp).catch_up()
    return tuple(
        Recovered(each.case_id, "stamped", f"at {to_iso(each.stamp.at)} by {each.stamp.authority}")
        if each.stamp
        else Recovered(each.case_id, "not stamped", str(each.problem))
        for each in stamped
    )


async def _seal(case: UnsealedCase, house: House) -> Recovered:
    folder = case.folder
    try:
        wire: WireLog | None = None
        reasons = [KILLED]
        if case.has_wire:
            mended = await asyncio.to_thread(repair, folder.wire_path, house.clock)
            wire = mended.wire_log
            reasons.append(
                f"{mended.recovered_packets} packets chained afterwards, "
                f"{mended.torn_bytes} torn bytes set aside"
            )
        heard = Heard((), None)  # what was heard live died with the process
        sealed = await close_case(folder, wire, case.closed, heard, house, tuple(reasons))
    except IvrError as problem:
        folder.release()
        return Recovered(folder.case_id, "failed", str(problem))
    return Recovered(folder.case_id, "sealed", f"verdict {sealed.verdict.label}")


async def _enter(path: Path, house: House) -> Recovered:
    try:
        case = await asyncio.to_thread(_read, path, house)
        queued = await file_case(case, house)
    except IvrError as problem:
        return Recovered(path.name, "failed", str(problem))
    return Recovered(path.name, "entered", f"{len(queued)} reports queued")


def _read(path: Path, house: House) -> SealedCase:
    """The case, also an encrypted one; it is at home at ``path`` wherever it was opened."""
    with house.open_case(path) as readable:
        case = read_case(readable)
    return replace(case, sealed=replace(case.sealed, path=path))
