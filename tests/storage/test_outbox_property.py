"""Any number of holders, crashes, stalls and late news in any order: sent once at most, never lost.

The model: a hand-over happens only after a granted commit, as couriers are bound to do.
"""

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ivr.facts.reports import Channel, DeliveryState
from ivr.storage.ledger import Ledger

S = DeliveryState
MAIL = {Channel.MAIL}
HOLDERS = range(3)
# Mostly the next step of a delivery, so that examples get deep; now and then a mishap.
ACTS = ["go on", "go on", "go on", "go on", "fail", "die", "oversleep"]
STEPS = st.lists(
    st.tuples(st.sampled_from(HOLDERS), st.sampled_from(ACTS)), min_size=12, max_size=30
)


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "ledger.db"

    async def make() -> None:
        await (await Ledger.open(path)).close()

    asyncio.run(make())
    return path


class World:
    """Three holders at one outbox, and the recipient's side, which counts what arrives."""

    def __init__(self, ledger, clock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.arrived: Counter[str] = Counter()
        self.hands = dict.fromkeys(range(3), (None, "idle"))

    async def step(self, n: int, act: str) -> None:
        lease, stage = self.hands[n]
        outbox, now = self.ledger.outbox, self.clock.now()
        if act == "oversleep":
            self.clock.forward(61)  # every lease runs out; whoever holds one goes on later
        elif act == "die":
            self.hands[n] = (None, "idle")
        elif act == "fail":
            if stage in ("leased", "committed"):
                await outbox.settle_failed(lease, now, "451", S.RETRY, now)
                self.hands[n] = (None, "idle")
        elif stage == "idle":
            taken = await outbox.lease(str(n), now, 60.0, MAIL, ())
            self.hands[n] = (taken, "leased" if taken else "idle")
        elif stage == "leased":
            granted = await outbox.commit(lease, now)
            self.hands[n] = (lease, "committed") if granted else (None, "idle")
        elif stage == "committed":
            self.arrived[lease.report.report_id] += 1
            self.hands[n] = (lease, "handed over")
        else:
            await outbox.settle_sent(lease, now, "250", S.SENT)
            self.hands[n] = (None, "idle")

    async def check(self, queued: set[str]) -> None:
        states = {each.report_id: each.state for each in await self.ledger.reports()}
        assert set(states) == queued
        for report_id, state in states.items():
            arrived = self.arrived[report_id]
            assert arrived <= 1, "sent twice"
            if state is S.SENT:
                assert arrived == 1, "called sent, but it never was"
            if state in (S.PENDING, S.RETRY):
                assert arrived == 0, "would be sent again"


@given(STEPS)
@settings(
    max_examples=30,
    deadline=None,
    # Not made smaller: every example is a database on disk, and a failure would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_sent_once_at_most_and_never_lost(empty_ledger, tmp_path, clock, a_case, a_report, steps):
    path = tmp_path / "ledger.db"
    for stale in tmp_path.glob("ledger.db*"):
        stale.unlink()
    shutil.copy(empty_ledger, path)

    async def live() -> None:
        async with await Ledger.open(path, clock) as ledger:
            reports = [a_report("a" * 64), a_report("b" * 64, recipient_id="other")]
            await ledger.record_sealed_case(a_case(), reports)
            world = World(ledger, clock)
            for n, act in steps:
                await world.step(n, act)
            await world.check({"a" * 64, "b" * 64})

    asyncio.run(live())
