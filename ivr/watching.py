"""The watch over a running house: once a second it looks at everything that can go wrong unseen,
raises and clears alarms, sets the gauges, and tells the workers whether a call would be taken.

It reads what the rooms know of themselves and ends calls only when the disk is full. What it cannot
see, for it shares their process, its supervisor does (`ivr.watch.supervisor`).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from ivr.casework.duty_alarm import DutyAlarm
from ivr.errors import IvrError, StorageError
from ivr.evidence.layout import is_sealed
from ivr.facts.alarms import AlarmCode
from ivr.facts.call import Mode
from ivr.facts.reports import DeliveryState
from ivr.house import House
from ivr.ports import WatchedCase
from ivr.telephony.admission import NO_ACK
from ivr.telephony.kernel_drops import dropped_at
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool
from ivr.telephony.strangers import Strangers
from ivr.watch.alarms import Alarms
from ivr.watch.heartbeat import Heartbeat

EVERY_S: Final = 1.0
SELDOM_S: Final = 5.0
HOLD_S: Final = 5.0
"""OPTIONS say 503 for so long after the last reason is gone: a dispatcher must not flap."""
STOP_SHARE: Final = 0.25
"""Of ``media.min_free_mb``: below it running calls are ended."""
DISK_ANSWERS_S: Final = 10.0
SLOW_LOOP_S: Final = 1.0
LEDGER_ANSWERS_S: Final = 10.0
STUCK: Final = (DeliveryState.FAILED, DeliveryState.UNCERTAIN)
DISK_FULL: Final = "the disk is full"


@dataclass(slots=True)
class Burst:
    """An alarm for things that happen at a moment: stands until none has happened for a while.

    Args:
        read: how often it has happened; may fall back to 0.
        still: whether its consequence is still there.
    """

    code: AlarmCode
    read: Callable[[], int]
    hold_s: float
    counter: Counter | None = None
    still: Callable[[], bool] = lambda: False
    seen: int = 0
    last_at: float = float("-inf")

    def look(self, now: float, alarms: Alarms) -> None:
        new = more(self.seen, self.read())
        self.seen = self.read()
        if self.counter is not None:
            self.counter.inc(new)
        if new or self.still():
            self.last_at = now
            alarms.raise_(self.code, times=max(1, new))
        elif now - self.last_at > self.hold_s:
            alarms.clear(self.code)


def more(before: int, now: int) -> int:
    """What a counter grew by that begins at 0 again when its process is replaced."""
    return now - before if now >= before else now


class Watch:
    """Run ``look_for_ever`` for as long as the house serves.

    Args:
        heartbeat: knows how often the supervisor had to start the agent.
    """

    def __init__(self, house: House, pool: WorkerPool, heartbeat: Heartbeat) -> None:
        self._house, self._pool, self._heartbeat = house, pool, heartbeat
        self._well_since = float("-inf")
        self._slow_turns = 0
        self._refused = self._relieved = self._dropped = 0
        self._troubled: set[str] = set()
        self._ending: dict[str, asyncio.Task[None]] = {}
        recognition, metrics = house.mind.recognition, house.metrics
        self._bursts = (
            Burst(AlarmCode.AGENT_RESTARTED, lambda: heartbeat.restarts, 600.0),
            Burst(AlarmCode.AGENT_SLOW, lambda: self._slow_turns, 60.0),
            Burst(
                AlarmCode.WORKER_LOST,
                lambda: pool.died,
                60.0,
                metrics.worker_restarts,
                lambda: pool.missing > 0,
            ),
            Burst(
                AlarmCode.RECOGNISER_LOST,
                lambda: recognition.deaths,
                60.0,
                metrics.recogniser_deaths,
                lambda: recognition.host_pid is None,
            ),
            Burst(AlarmCode.NO_ACK, lambda: house.tally[NO_ACK], 600.0, metrics.unacknowledged),
        )
        self._duties = DutyAlarm(house)
        self.dropped = 0
        self.strangers = Strangers()

    async def look_for_ever(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._measure(), name="watch-disk")
                tasks.create_task(self._look_seldom(), name="watch-ledger")
                while True:
                    due = time.monotonic() + EVERY_S
                    await asyncio.sleep(EVERY_S)
                    late_s = max(0.0, time.monotonic() - due)
                    self._house.metrics.loop_delay.set(late_s)
                    self._slow_turns += late_s > SLOW_LOOP_S
                    self._look_safely()
        finally:
            self.strangers.close()
            for task in self._ending.values():
                task.cancel()

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception:  # a mistake in watching must end neither calls nor the watch
            self._house.log.exception("watch failed")

    def look(self) -> None:
        """Everything that is known without waiting."""
        now = time.monotonic()
        self._look_at_capacity(now)
        for burst in self._bursts:
            burst.look(now, self._house.alarms)
        lost = [state for state in self._pool.registrations if not state.is_registered]
        why = "; ".join(state.problem for state in lost)
        self._house.alarms.set(AlarmCode.REGISTRATION_LOST, bool(lost), why=why)
        for call_id, case in tuple(self._house.running.items()):
            self._look_at(call_id, case)
        self._forget_ended()
        self._set_gauges()

    # --- capacity --------------------------------------------------------------------------------

    def _look_at_capacity(self, now: float) -> None:
        house, capacity = self._house, self._house.capacity
        if capacity.measured_ago_s > DISK_ANSWERS_S:  # a disk that does not answer takes nothing
            capacity.free_mb = 0
        refusal = capacity.refusal()
        self._tell_readiness(now, refusal is None)
        free_mb = capacity.free_mb or 0
        house.alarms.set(AlarmCode.DISK_LOW, capacity.is_disk_low, free_mb=free_mb)
        lag_s = round(capacity.lag_s, 1)
        house.alarms.set(AlarmCode.RECOGNITION_LAG, capacity.is_lagging, lag_s=lag_s)
        if capacity.is_disk_low and free_mb < STOP_SHARE * house.settings.media.min_free_mb:
            self._end_all(free_mb)
        elif not capacity.is_disk_low:
            house.alarms.clear(AlarmCode.DISK_FULL)

    def _tell_readiness(self, now: float, would_take: bool) -> None:
        if not would_take:
            self._well_since = float("inf")
        elif self._well_since == float("inf"):
            self._well_since = now
        self._pool.set_ready(would_take and now - self._well_since >= HOLD_S)
        self._house.metrics.ready.set(would_take)

    def _end_all(self, free_mb: int) -> None:
        """The rest of the disk is for sealing what was recorded."""
        for call_id, case in self._house.running.items():
            if call_id not in self._ending:
                self._house.alarms.raise_(AlarmCode.DISK_FULL, free_mb=free_mb)
                self._ending[call_id] = asyncio.create_task(self._end(call_id, case))

    async def _end(self, call_id: str, case: WatchedCase) -> None:
        try:
            await case.end(DISK_FULL)
        except IvrError as problem:
            self._house.log.error("call not ended", call_id=call_id, **problem.as_dict())

    # --- calls -----------------------------------------------------------------------------------

    def _look_at(self, call_id: str, case: WatchedCase) -> None:
        alarms, limit_s = self._house.alarms, self._house.settings.watch.silent_leg_s
        expected = case.expected
        silent = [leg for leg in expected if case.door.last_packet_age_s(leg) > limit_s]
        is_dead = bool(silent) and len(silent) == len(expected)
        legs = " ".join(leg.value for leg in silent)
        alarms.set(AlarmCode.MEDIA_DEAD, is_dead, call_id, legs=legs)
        alarms.set(AlarmCode.LEG_SILENT, bool(silent) and not is_dead, call_id, legs=legs)
        trouble = case.door.trouble
        if trouble is not None and call_id not in self._troubled:
            self._troubled.add(call_id)
            self._house.metrics.wire_log_troubles.inc()
        if trouble is None or trouble.is_over:
            alarms.clear(AlarmCode.WIRE_LOG, call_id)
        else:
            alarms.raise_(AlarmCode.WIRE_LOG, call_id, why=trouble.what, unlogged=trouble.unlogged)

    def _forget_ended(self) -> None:
        """Alarms of calls that are over; what their cases lack stands in their manifests."""
        running = self._house.running
        for alarm in self._house.alarms.standing:
            is_of_call = alarm.code in (
                AlarmCode.LEG_SILENT,
                AlarmCode.MEDIA_DEAD,
                AlarmCode.WIRE_LOG,
            )
            if is_of_call and alarm.call_id not in running:
                self._house.alarms.clear(alarm.code, alarm.call_id)
        self._troubled &= running.keys()
        for call_id in [each for each in self._ending if each not in running]:
            del self._ending[call_id]

    # --- figures ---------------------------------------------------------------------------------

    def _set_gauges(self) -> None:
        house, metrics, pool = self._house, self._house.metrics, self._pool
        for mode in Mode:
            count = sum(case.opened.mode is mode for case in house.running.values())
            metrics.calls_now.labels(mode.value).set(count)
        metrics.slots.set(CALLS_PER_WORKER * len(pool.addresses))
        metrics.slots_in_use.set(pool.slots_in_use)
        metrics.lag.set(house.capacity.lag_s)
        metrics.disk_free.set((house.capacity.free_mb or 0) * 2**20)
        metrics.agent_restarts.set(self._heartbeat.restarts)
        metrics.show_alarms(house.alarms.standing)
        refused, relieved = pool.refused, pool.relieved
        metrics.at_gate.inc(more(self._refused, refused))
        metrics.worker_reliefs.inc(more(self._relieved, relieved))
        metrics.strangers.inc(more(self._dropped, self.dropped))
        self._refused, self._relieved, self._dropped = refused, relieved, self.dropped

    # --- what has to be waited for ---------------------------------------------------------------

    async def _measure(self) -> None:
        while True:
            await self._house.capacity.measure()
            await asyncio.sleep(EVERY_S)

    async def _look_seldom(self) -> None:
        while True:
            try:
                await self._look_at_ledger()
                await self._duties.look()
                ports = {port for _, port in self._pool.addresses}
                self.dropped = await asyncio.to_thread(dropped_at, ports)
                self.strangers.look(sorted(ports), self._pool.friends)
                for alarm in self._house.alarms.standing:
                    if alarm.code is AlarmCode.CASE_UNSEALED:
                        await self._look_at_case(alarm.call_id)
            except Exception:  # as above
                self._house.log.exception("watch failed")
            await asyncio.sleep(SELDOM_S)

    async def _look_at_ledger(self) -> None:
        house = self._house
        try:
            async with asyncio.timeout(LEDGER_ANSWERS_S):
                states = await house.ledger.report_states()
        except (StorageError, TimeoutError) as problem:
            why = problem.why if isinstance(problem, StorageError) else "no answer"
            house.alarms.raise_(AlarmCode.LEDGER, why=why)
            return
        house.alarms.clear(AlarmCode.LEDGER)
        house.metrics.show_reports(states)
        stuck = {state.value: states[state] for state in STUCK if states.get(state)}
        house.alarms.set(AlarmCode.REPORTS_STUCK, bool(stuck), "", **stuck)

    async def _look_at_case(self, call_id: str) -> None:
        """Sealed meanwhile by `ivr recover`, or never begun?"""
        path = self._house.vault / call_id
        if not await asyncio.to_thread(path.exists) or await asyncio.to_thread(is_sealed, path):
            self._house.alarms.clear(AlarmCode.CASE_UNSEALED, call_id)
