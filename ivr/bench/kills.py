"""Kill the house at random moments: ``python -m ivr.bench.kills N [--seed S] [--houses H]``.

Each trial is a real SIP call to a running `ivr serve` that reports by mail and by outbox folder; at
a random moment between the INVITE and the filed report its processes get SIGKILL (in some trials
the agent alone, which the supervisor replaces). It starts again, seals and files what was left,
and takes the next call. In the end: how much of the sound that was sent is missing, whether each
call that was answered is a sealed case that verifies, and whether each report is where it should be
exactly once. Prints a table; exit 1 if one of them is not so.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.bench.kill_call import FRAME_S, HERE, CountedCall
from ivr.bench.kill_checks import Sink, check_reports, sealed_cases, unverified
from ivr.bench.kill_house import ACCESS, KillHouse, Nursery, spoken_frames
from ivr.bench.mail_sink import MailSink
from ivr.telemetry import configure

MOST_LOST_S: Final = 1.0
FILED_S: Final = 60.0
SUPERVISED, AGENT_ALONE = 0.2, 0.7
"""Shares of starts under a supervisor, and of kills of such a house that spare it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kill.

    Args:
        at_s: after the INVITE.
        sent: packets of sound that had left the caller by then.
    """

    house: int
    call_id: str
    at_s: float
    is_answered: bool
    sent: int
    is_agent_alone: bool
    recovered_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all trials; see `rows`."""

    trials: tuple[Trial, ...]
    lost_s: tuple[float, ...]
    without_case: tuple[str, ...]
    unverified: tuple[str, ...]
    sink: Sink

    @property
    def is_good(self) -> bool:
        return (
            max(self.lost_s, default=0.0) <= MOST_LOST_S
            and not (self.without_case or self.unverified)
            and not (self.sink.lost or self.sink.doubled)
        )


async def measure(kills: int, seed: int, houses: int, minutes: float) -> Outcome:
    """Share the kills among so many houses at once; no kill begins after so many minutes."""
    until = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="ivr-kills-") as name:
        root = Path(name)
        async with MailSink() as mail, Nursery() as nursery:
            stable = []
            for number in range(houses):
                folder = root / str(number)
                await asyncio.to_thread(folder.mkdir)
                stable.append(KillHouse(folder, mail.port, nursery))
            shares = [len(range(number, kills, houses)) for number in range(houses)]
            runs = [
                _run(number, house, share, until, random.Random(seed * 1000 + number))  # noqa: S311 - no secret
                for number, (house, share) in enumerate(zip(stable, shares, strict=True))
            ]
            trials = [trial for found in await asyncio.gather(*runs) for trial in found]
            return await _judge(stable, trials, mail)


async def _run(
    number: int, house: KillHouse, kills: int, until: float, chance: random.Random
) -> list[Trial]:
    frames = spoken_frames()
    trials: list[Trial] = []
    try:
        await house.start()
        longest_s = await _undisturbed(house, frames, f"0970{number:02d}0000")
        for n in range(kills):
            if time.monotonic() > until:
                break
            caller = f"09{71 + number}{n:06d}"
            at_s = _moment(chance, longest_s, len(frames) * FRAME_S)
            trials.append(await _trial(number, house, frames, caller, at_s, chance))
            _say(number, n, trials[-1])
        await house.start()
    finally:
        if sys.exc_info()[0] is not None:
            await house.kill(agent_alone=False)
    return trials


def _moment(chance: random.Random, longest_s: float, spoken_s: float) -> float:
    """Half of the kills at any moment; a quarter while the call is opened, a quarter from its last
    words on, for in those seconds most is written."""
    first, last = chance.choice(((0, longest_s), (0, longest_s), (0, 0.5), (spoken_s, longest_s)))
    return chance.uniform(first, last)


async def _undisturbed(house: KillHouse, frames: Sequence[bytes], caller: str) -> float:
    """One call without a kill: seconds from the INVITE to its filed reports."""
    begun = time.monotonic()
    async with CountedCall((HERE, house.sip), ACCESS, caller, frames) as call:
        await call.run()
        async with asyncio.timeout(FILED_S):
            while not await asyncio.to_thread(_is_filed, house):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
    return time.monotonic() - begun


def _is_filed(house: KillHouse) -> bool:
    return any((house.data / "outbox").glob("sms-*.json"))


async def _trial(
    number: int,
    house: KillHouse,
    frames: Sequence[bytes],
    caller: str,
    at_s: float,
    chance: random.Random,
) -> Trial:
    is_alone = house.is_supervised and chance.random() < AGENT_ALONE
    begun = time.monotonic()
    async with CountedCall((HERE, house.sip), ACCESS, caller, frames) as call:
        calling = asyncio.create_task(call.run())
        await asyncio.sleep(at_s)
        sent, is_answered = call.sent, call.is_answered
        await house.kill(agent_alone=is_alone)
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await calling
        killed = time.monotonic()
        await house.start(supervised=chance.random() < SUPERVISED)
    took_s = time.monotonic() - killed
    return Trial(
        number, call.call_id, round(killed - begun, 3), is_answered, sent, is_alone, took_s
    )


async def _judge(stable: Sequence[KillHouse], trials: Sequence[Trial], mail: MailSink) -> Outcome:
    sink = await check_reports(stable, mail.arrived)
    for house in stable:
        await house.stop()
    lost: list[float] = []
    without: list[str] = []
    cases: dict[str, tuple[Path, dict[str, Any]]] = {}
    for house in stable:
        cases |= await asyncio.to_thread(sealed_cases, house.data)
    for trial in trials:
        if trial.call_id not in cases:
            without += [trial.call_id] if trial.is_answered else []
            continue
        legs = cases[trial.call_id][1]["legs"]
        kept = sum(leg["stats"]["accepted"] for leg in legs if leg["leg"] == "mixed")
        lost.append(max(0, trial.sent - kept) * FRAME_S)
    bad = [path for house in stable for path in await unverified(house)]
    return Outcome(tuple(trials), tuple(lost), tuple(without), tuple(bad), sink)


def rows(found: Outcome) -> list[tuple[str, object]]:
    """The table."""
    trials, lost = found.trials, sorted(found.lost_s)
    recovered = sorted(trial.recovered_s for trial in trials)
    return [
        ("kills", len(trials)),
        ("of these the agent alone", sum(trial.is_agent_alone for trial in trials)),
        ("before the answer", sum(not trial.is_answered for trial in trials)),
        ("answered", sum(trial.is_answered for trial in trials)),
        ("answered, without a sealed case", len(found.without_case)),
        ("cases that do not verify", len(found.unverified)),
        ("sound lost, median s", lost[len(lost) // 2] if lost else 0.0),
        ("sound lost, most s", round(max(lost, default=0.0), 2)),
        ("reports due", found.sink.due),
        ("reports lost", len(found.sink.lost)),
        ("reports doubled", len(found.sink.doubled)),
        ("reports left to a person (cut off in delivery)", len(found.sink.uncertain)),
        ("from kill to taking calls again, median s", round(recovered[len(recovered) // 2], 1)),
        ("from kill to taking calls again, most s", round(recovered[-1], 1)),
    ]


def _say(house: int, n: int, trial: Trial) -> None:
    told = {"house": house, "n": n, "at_s": trial.at_s, "sent": trial.sent}
    sys.stderr.write(json.dumps(told | {"recovered_s": round(trial.recovered_s, 1)}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ivr.bench.kills", description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--houses", type=int, default=1, help="so many at once")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no kill after that")
    wanted = parser.parse_args()
    configure("error")
    found = asyncio.run(measure(wanted.kills, wanted.seed, wanted.houses, wanted.minutes))
    for name, value in rows(found):
        sys.stdout.write(f"| {name} | {value} |\n")
    for name in (*found.without_case, *found.unverified, *found.sink.lost, *found.sink.doubled):
        sys.stdout.write(f"not as it should be: {name}\n")
    sys.exit(0 if found.is_good else 1)


if __name__ == "__main__":
    main()
