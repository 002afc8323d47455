"""What the watch makes of what it sees; the ledger is a real one, the rest states what it says."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ivr.board import Board
from ivr.casework.duty_alarm import DutyAlarm
from ivr.clock import SystemClock
from ivr.facts.alarms import AlarmCode
from ivr.facts.call import LegName, Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.reports import Channel, DeliveryState, Report
from ivr.facts.rights import BreachField
from ivr.media.wire_writer import Trouble
from ivr.settings import Settings
from ivr.storage.ledger import Ledger
from ivr.telephony.admission import NO_ACK
from ivr.telephony.registrations import RegistrationState
from ivr.watch.alarms import Alarms
from ivr.watch.capacity import Capacity
from ivr.watch.heartbeat import Heartbeat
from ivr.watch.metrics import Metrics
from ivr.watching import DISK_FULL, HOLD_S, Burst, Watch, more


@dataclass
class Pool:
    """What a pool says of itself."""

    died: int = 0
    missing: int = 0
    refused: int = 0
    relieved: int = 0
    slots_in_use: int = 0
    addresses: tuple = (("127.0.0.1", 1),)
    registrations: tuple = ()
    told: list[bool] = field(default_factory=list)

    def set_ready(self, is_ready: bool) -> None:
        self.told.append(is_ready)


@dataclass
class Case:
    """A running call: ages of its legs in seconds, trouble of its wire log."""

    ages: dict[LegName, float]
    trouble: Trouble | None = None
    ended: list[str] = field(default_factory=list)
    opened: Any = None

    @property
    def door(self) -> Any:
        return SimpleNamespace(last_packet_age_s=self.ages.__getitem__, trouble=self.trouble)

    @property
    def expected(self) -> tuple[LegName, ...]:
        return tuple(self.ages)

    async def end(self, reason: str) -> None:
        self.ended.append(reason)


@dataclass
class Scene:
    house: Any
    pool: Pool
    watch: Watch

    @property
    def codes(self) -> list[str]:
        return [alarm.code.value for alarm in self.house.alarms.standing]

    def run(self, call_id: str, case: Case) -> None:
        case.opened = SimpleNamespace(call_id=call_id, mode=Mode.ANSWER)
        self.house.running[call_id] = case

    def metric(self, name: str, **labels: str) -> float | None:
        return self.house.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    board, clock, settings = Board(), SystemClock(), Settings()
    capacity = Capacity(tmp_path, max_calls=4, max_lag_s=2.0, min_free_mb=100, lag_s=lambda: 0.0)
    capacity.free_mb = 1000
    house = SimpleNamespace(
        settings=settings,
        clock=clock,
        alarms=Alarms(board, clock),
        metrics=Metrics(),
        capacity=capacity,
        running={},
        tally=Counter(),
        vault=tmp_path,
        ledger=None,
        mind=SimpleNamespace(recognition=SimpleNamespace(deaths=0, host_pid=1)),
    )
    capacity._measured_at = float("inf")  # the disk has just answered
    pool = Pool()
    return Scene(house, pool, Watch(house, pool, Heartbeat()))


def test_a_burst_stands_until_none_has_happened_for_a_while():
    alarms = Alarms(Board(), SystemClock())
    count = [0]
    burst = Burst(AlarmCode.NO_ACK, lambda: count[0], 10.0)
    seen = []
    for now, count[0] in ((0, 0), (1, 1), (5, 1), (8, 2), (17, 2), (19, 2), (20, 3)):
        burst.look(float(now), alarms)
        seen.append(bool(alarms.standing))
    assert seen == [False, True, True, True, True, False, True]


@pytest.mark.parametrize(("before", "now", "grew"), [(3, 5, 2), (5, 5, 0), (5, 2, 2), (5, 0, 0)])
def test_a_counter_that_begins_anew_is_not_counted_twice(before, now, grew):
    assert more(before, now) == grew


def test_no_ack_and_lost_workers_are_alarms_and_metrics(scene):
    scene.house.tally[NO_ACK] += 2
    scene.pool.died = 1
    scene.watch.look()
    assert set(scene.codes) == {"no_ack", "worker_lost"}
    assert scene.metric("ivr_calls_unacknowledged_total") == 2
    assert scene.metric("ivr_worker_restarts_total") == 1
    assert scene.metric("ivr_alarms", code="no_ack") == 1


def test_one_leg_silent_is_one_alarm_and_all_silent_another(scene):
    case = Case({LegName.CALLER: 0.0, LegName.AGENT: 0.0})
    scene.run("C1", case)
    scene.watch.look()
    assert scene.codes == []
    case.ages[LegName.AGENT] = 60.0
    scene.watch.look()
    assert scene.codes == ["leg_silent"]
    case.ages[LegName.CALLER] = 60.0
    scene.watch.look()
    assert scene.codes == ["media_dead"]
    scene.house.running.clear()
    scene.watch.look()
    assert scene.codes == []


def test_legs_that_need_not_speak_are_never_silent(scene):
    scene.run("C1", Case({}))
    scene.watch.look()
    assert scene.codes == []


def test_a_wire_log_in_trouble_is_counted_once_and_cleared_when_the_disk_writes_again(scene):
    case = Case({})
    scene.run("C1", case)
    case.trouble = Trouble("slow", datetime.now(UTC), 7)
    for _ in range(3):
        scene.watch.look()
    assert scene.codes == ["wire_log"]
    assert scene.metric("ivr_wire_log_troubles_total") == 1
    case.trouble = Trouble("slow", datetime.now(UTC), 7, is_over=True)
    scene.watch.look()
    assert scene.codes == []


async def test_a_filling_disk_refuses_first_and_ends_calls_last(scene):
    case = Case({})
    scene.run("C1", case)
    scene.house.capacity.free_mb = 50
    scene.watch.look()
    assert scene.codes == ["disk_low"]
    assert not scene.watch._ending
    scene.house.capacity.free_mb = 20
    scene.watch.look()
    scene.watch.look()
    await scene.watch._ending["C1"]
    assert case.ended == [DISK_FULL]
    assert set(scene.codes) == {"disk_low", "disk_full"}


def test_a_disk_that_does_not_answer_takes_no_calls(scene):
    scene.house.capacity._measured_at = 0.0
    scene.watch.look()
    assert scene.codes == ["disk_low"]


def test_options_do_not_flap(scene, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("ivr.watching.time.monotonic", lambda: now[0])
    answers = []
    for free_mb in (1000, 50, 1000, 50, 1000, 1000, 1000, 1000):
        scene.house.capacity.free_mb = free_mb
        scene.watch.look()
        answers.append(scene.pool.told[-1])
        now[0] += HOLD_S / 2
    assert answers == [True, False, False, False, False, False, True, True]


def test_a_registration_that_is_refused_is_an_alarm(scene):
    state = RegistrationState("sip:192.0.2.1", False, 403, "the registrar refuses")
    scene.pool.registrations = (state,)
    scene.watch.look()
    (alarm,) = scene.house.alarms.standing
    assert (alarm.code, alarm.detail) == ("registration_lost", "why the registrar refuses")


async def test_stuck_reports_and_a_ledger_that_does_not_answer_are_alarms(scene, tmp_path):
    file = tmp_path / "ledger.sqlite3"
    async with await Ledger.open(file) as ledger:
        scene.house.ledger = ledger
        now = SystemClock().now()
        summary = CaseSummary(
            "C1", Mode.ANSWER, None, now, 1.0, "scam", 0.9, True, "5" * 64, "/cases/C1"
        )
        report = Report("a" * 64, "C1", Channel.MAIL, "x", "x@example.vn", "s", "b", (), "t" * 64)
        await ledger.record_sealed_case(summary, [report])
        await scene.watch._look_at_ledger()
        assert scene.codes == []
        assert scene.metric("ivr_reports", state="pending") == 1
        now = SystemClock().now()
        lease = await ledger.outbox.lease("me", now, 60.0, [Channel.MAIL], [])
        await ledger.outbox.settle_failed(lease, now, "refused", DeliveryState.FAILED)
        await scene.watch._look_at_ledger()
        assert scene.codes == ["reports_stuck"]
        assert scene.house.alarms.standing[0].detail == "failed 1"
    for path in tmp_path.glob("ledger.sqlite3*"):
        path.write_bytes(b"no database " * 1000)
    await scene.watch._look_at_ledger()
    assert "ledger" in scene.codes


async def test_what_is_due_to_people_is_counted_and_an_alarm_when_late(scene, tmp_path):
    async with await Ledger.open(tmp_path / "ledger.sqlite3") as ledger:
        scene.house.ledger = ledger
        now = SystemClock().now()
        await ledger.breaches.open(now - timedelta(hours=1), "lost disk", "hien")
        await DutyAlarm(scene.house).look()
        assert scene.codes == []
        assert scene.metric("ivr_rights_open", kind="breach") == 1
        await ledger.breaches.open(now - timedelta(hours=50), "lost disk", "hien")
        await DutyAlarm(scene.house).look()
        assert scene.codes == ["rights_overdue"]
        assert scene.metric("ivr_rights_overdue", kind="breach") == 0  # 22 hours are left
        await ledger.breaches.open(now - timedelta(hours=73), "lost disk", "hien")
        await DutyAlarm(scene.house).look()
        assert scene.metric("ivr_rights_overdue", kind="breach") == 1
        for breach in await ledger.breaches.breaches():
            await ledger.breaches.note(breach.reference, BreachField.NOTIFIED, "told", "hien")
        alarm = DutyAlarm(scene.house)
        await alarm.look()
        assert scene.codes == []
        await ledger.breaches.open(now - timedelta(hours=90), "lost disk", "hien")
        await alarm.look()  # asked a moment ago
        assert scene.codes == []


async def test_a_law_that_cannot_be_read_is_an_alarm(scene, tmp_path):
    law = tmp_path / "law.toml"
    law.write_text("[[rule]]\nid = 'breach'\n")
    rights = scene.house.settings.rights.model_copy(update={"law": law})
    scene.house.settings = scene.house.settings.model_copy(update={"rights": rights})
    await DutyAlarm(scene.house).look()
    assert scene.codes == ["rights_overdue"]
    assert "law.toml" in scene.house.alarms.standing[0].detail


async def test_a_case_that_was_sealed_meanwhile_is_no_alarm_any_more(scene, tmp_path):
    for call_id in ("C1", "C2", "C3"):
        scene.house.alarms.raise_(AlarmCode.CASE_UNSEALED, call_id)
    (tmp_path / "C1").mkdir()
    (tmp_path / "C2").mkdir()
    (tmp_path / "C2/manifest.jws").write_text("sealed")
    for call_id in ("C1", "C2", "C3"):
        await scene.watch._look_at_case(call_id)
    assert [alarm.call_id for alarm in scene.house.alarms.standing] == ["C1"]
