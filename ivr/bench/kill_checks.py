"""What must hold after any number of kills: cases sealed and whole, reports there exactly once."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.app import open_ledger
from ivr.bench.kill_house import KillHouse
from ivr.facts.reports import Channel, Delivery, DeliveryState
from ivr.settings import PROJECT_ROOT

SETTLE_S: Final = 120.0
_SETTLED = {DeliveryState.SENT, DeliveryState.READY, DeliveryState.UNCERTAIN}
_RECIPIENTS: Final = 2  # of ivr/demo/recipients.toml


@dataclass(frozen=True, slots=True)
class Sink:
    """Reports as counted where they arrive.

    Args:
        due: of sealed cases whose verdict is to be filed.
        lost: due, and neither arrived nor left to a person.
        doubled: arrived more than once.
        uncertain: cut off in delivery, so a person is asked; whether they arrived, the sink knows.
    """

    due: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    uncertain: tuple[str, ...]


def sealed_cases(data: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Folder and manifest of every sealed case by its SIP Call-ID."""
    found = {}
    for commit in data.glob("cases/*/manifest.jws"):
        manifest = json.loads((commit.parent / "manifest.json").read_bytes())
        found[manifest["call"]["sip_call_id"]] = (commit.parent, manifest)
    return found


async def unverified(house: KillHouse) -> list[str]:
    """Cases that `ivr verify` finds fault with, and folders of cases that are not sealed."""
    paths = [path for path, _ in sealed_cases(house.data).values()]
    open_ones = {str(path.parent) for path in house.data.glob("cases/*/opened.json")}
    left = sorted(open_ones - {str(path) for path in paths})
    if not paths:
        return [f"{path}: not sealed" for path in left]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ivr", "--settings", str(house.settings_file), "verify", "--json"),
        *map(str, paths),
        cwd=PROJECT_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    told = [json.loads(line) for line in out.splitlines()]
    wrong = {
        entry["path"]: [
            f"{step['name']}: {step['detail']}" for step in entry["steps"] if not step["ok"]
        ]
        for entry in told
    }
    found = [(str(path), wrong.get(str(path), ["ivr verify says nothing of it"])) for path in paths]
    return [
        *(f"{path}: not sealed" for path in left),
        *(f"{path}: {'; '.join(steps)}" for path, steps in found if steps),
    ]


async def check_reports(houses: Sequence[KillHouse], arrived: Counter[str]) -> Sink:
    """Wait until every report is settled, then count at the sink.

    Args:
        arrived: mails by the report id at the beginning of their Message-ID.
    """
    due, lost, uncertain = 0, [], []
    seen = await _settled(houses)
    for house, deliveries in zip(houses, seen, strict=True):
        for path, manifest in (await asyncio.to_thread(sealed_cases, house.data)).values():
            if manifest["verdict"]["level"] != "filing":
                continue
            due += _RECIPIENTS
            of_case = [each for each in deliveries if each.case_id == path.name]
            lost += [f"{path.name}: {len(of_case)} reports"] * (_RECIPIENTS - len(of_case))
            for each in of_case:
                is_there = await asyncio.to_thread(_is_there, each, house, arrived)
                if each.state is DeliveryState.UNCERTAIN:
                    uncertain.append(each.report_id)
                elif each.state not in _SETTLED or not is_there:
                    lost.append(f"{each.report_id}: {each.state}, arrived: {is_there}")
    doubled = tuple(message for message, count in arrived.items() if count > 1)
    return Sink(due, tuple(lost), doubled, tuple(uncertain))


def _is_there(delivery: Delivery, house: KillHouse, arrived: Counter[str]) -> bool:
    if delivery.channel is Channel.MAIL:
        return arrived[delivery.report_id[:40]] == 1
    reference = delivery.provider_reference
    return reference is not None and Path(reference).is_relative_to(house.data / "outbox")


async def _settled(houses: Sequence[KillHouse]) -> list[list[Delivery]]:
    """Deliveries of each house, once none is under way."""
    until = time.monotonic() + SETTLE_S
    while True:
        found = []
        for house in houses:
            async with await open_ledger(house.settings) as ledger:
                found.append(await ledger.reports(limit=100_000))
        is_done = all(each.state in _SETTLED for deliveries in found for each in deliveries)
        if is_done or time.monotonic() > until:
            return found
        await asyncio.sleep(0.5)
