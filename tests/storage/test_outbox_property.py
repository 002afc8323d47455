"""Any number of holders, crashes, stalls and late news in any order: sent once at most, never lost.

The model: a hand-over happens only after a granted commit, as couriers are bound to do.
"""

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.facts.reports import Channel, DeliveryState
from ivr.storage.ledger import Ledger

S = DeliveryState
MAIL = {Channel.MAIL}
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(
            ["take", "commit", "hand over", "say sent", "say failed", "die", "sleep", "sleep"]
        ),
    ),
    min_size=5,
    max_size=45,
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
        if act == "sleep":
            self.clock.forward(25)  # three of them and a lease of 60 s has run out
        elif act == "die":
            self.hands[n] = (None, "idle")
        elif act == "take" and stage == "idle":
            taken = await outbox.lease(str(n), now, 60.0, MAIL, ())
            self.hands[n] = (taken, "leased" if taken else "idle")
        elif act == "commit" and stage == "leased":
            granted = await outbox.commit(lease, now)
            self.hands[n] = (lease, "committed") if granted else (None, "idle")
        elif act == "hand over" and stage == "committed":
            self.arrived[lease.report.report_id] += 1
            self.hands[n] = (lease, "handed over")
        elif act == "say sent" and stage == "handed over":
            await outbox.settle_sent(lease, now, "250", S.SENT)
            self.hands[n] = (None, "idle")
        elif act == "say failed" and stage in ("leased", "committed"):
            await outbox.settle_failed(lease, now, "451", S.RETRY, now)
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
    max_examples=60,
    deadline=None,
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
