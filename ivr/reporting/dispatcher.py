"""Drives the outbox: lease → deliver → settle, again and again, until it is told to stop.

The ledger holds the truth; a dispatcher can be killed at any moment, and any number of them may
run at once, in one process or many.
"""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path

from ivr.clock import VIETNAM, Clock
from ivr.errors import DeliveryError, IvrError, StorageError
from ivr.facts.reports import Channel, Delivery, DeliveryState, Lease, Quota
from ivr.ports import Courier, Outbox
from ivr.reporting.listening import Listener, listening
from ivr.settings import ReportingSettings
from ivr.telemetry import logger

_log = logger("ivr.reporting")
_SETTLE_TRIES = 5
_SETTLE_WAIT_S = 0.2
_random = random.SystemRandom()


class _LeaseLost(Exception):
    """The report is no longer ours; nothing may be sent."""


def wait_s(tries: int, settings: ReportingSettings, fraction: float) -> float:
    """Seconds until the next attempt: doubling from the first wait to the longest, of which a
    random half is taken off so that many reports do not return in one wave.

    Args:
        tries: attempts so far, from 1.
        fraction: 0–1, the random part.
    """
    # Beyond 2^32 the longest wait has long been reached; a larger power would overflow.
    doubled = settings.retry_first_s * 2.0 ** min(tries - 1, 32)
    return min(doubled, settings.retry_longest_s) * (0.5 + 0.5 * fraction)


def quotas(
    couriers: Mapping[Channel, Courier], settings: ReportingSettings, now: datetime
) -> dict[Channel, Quota]:
    """The limits of this day in Vietnam, for channels that send; what is laid out for a person is
    not limited."""
    local = now.astimezone(VIETNAM)
    since = local.replace(hour=0, minute=0, second=0, microsecond=0)
    until = since + timedelta(days=1)
    return {
        channel: Quota(
            settings.most_a_day,
            settings.sms_a_number_a_day if channel is Channel.SMS else None,
            since,
            until,
        )
        for channel, courier in couriers.items()
        if courier.settles_as is DeliveryState.SENT
    }


class Dispatcher:
    """Delivers reports with bounded concurrency (``settings.parallel``)."""

    def __init__(
        self,
        outbox: Outbox,
        couriers: Mapping[Channel, Courier],
        settings: ReportingSettings,
        clock: Clock,
        jitter: Callable[[], float] = _random.random,
        listeners: Sequence[Listener] = (),
        open_case: Callable[[Path], AbstractContextManager[Path]] = nullcontext,
    ) -> None:
        """
        Args:
            couriers: who delivers which channel; reports of other channels are left alone.
            jitter: a number from 0 to 1 for each wait.
            listeners: besides the couriers that are, who listens while `run` does.
            open_case: a case as a readable folder, also one that is encrypted at rest.
        """
        self._outbox = outbox
        self._couriers = dict(couriers)
        self._repeatable = frozenset(
            channel for channel, courier in couriers.items() if courier.is_repeatable
        )
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._open_case = open_case
        also = [courier for courier in couriers.values() if isinstance(courier, Listener)]
        self._listeners = (*also, *listeners)
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._wake = asyncio.Event()
        self._is_stopping = False

    def notify(self) -> None:
        """Something was queued: look now instead of at the next poll."""
        self._wake.set()

    def stop(self) -> None:
        """Take no further report; `run` returns when those under way are settled."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver until `stop`. A ledger that fails is logged and asked again."""
        async with listening(self._listeners), asyncio.TaskGroup() as group:
            for _ in range(self._settings.parallel):
                group.create_task(self._serve())

    async def run_until_idle(self) -> list[Delivery]:
        """Deliver what is due now, without waiting for later attempts.

        Raises:
            StorageError: the ledger cannot be read or written.
        """
        done: list[Delivery] = []

        async def drain() -> None:
            while (lease := await self._lease()) is not None:
                delivery = await self._handle(lease)
                if delivery is not None:
                    done.append(delivery)

        tasks = [asyncio.create_task(drain()) for _ in range(self._settings.parallel)]
        # Every task is waited for even if one fails: a delivery under way must be settled.
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return done

    async def _serve(self) -> None:
        while not self._is_stopping:
            try:
                lease = await self._lease()
                if lease is None:
                    await self._wait_for_work()
                    continue
            except StorageError as problem:
                _log.error("ledger_refused", **problem.as_dict())
                await self._sleep(self._settings.poll_s)
                continue
            self._wake.set()  # where one report is due, there may be more: wake the next task
            await self._handle(lease)

    async def _lease(self) -> Lease | None:
        now = self._clock.now()
        return await self._outbox.lease(
            self._holder,
            now,
            self._settings.lease_s,
            self._couriers.keys(),
            self._repeatable,
            quotas(self._couriers, self._settings, now),
        )

    async def _wait_for_work(self) -> None:
        due = await self._outbox.next_due(self._couriers.keys())
        pause = self._settings.poll_s
        if due is not None:
            pause = min(pause, max(0.01, (due - self._clock.now()).total_seconds()))
        await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        if not self._is_stopping:
            self._wake.clear()

    async def _handle(self, lease: Lease) -> Delivery | None:
        """Deliver and settle one report. None: it was no longer ours, or could not be settled;
        then the ledger decides when the lease has run out."""
        if lease.tries > self._settings.attempts:
            why = f"cut off in each of {lease.tries - 1} attempts; a person must look"
            return await self._settle(lease, self._failed(lease, why, DeliveryState.FAILED))
        courier = self._couriers[lease.report.channel]
        is_committed = False

        async def commit() -> None:
            nonlocal is_committed
            if not await self._outbox.commit(lease, self._clock.now()):
                raise _LeaseLost
            is_committed = True

        try:
            async with asyncio.timeout(self._settings.lease_s):
                async with self._readable(lease) as case_path:
                    reference = await courier.deliver(lease.report, case_path, commit)
        except _LeaseLost:
            _log.warning("lease_lost", **_named(lease))
            return None
        except DeliveryError as problem:
            state = self._state_after(problem, lease, courier)
            return await self._settle(lease, self._failed(lease, str(problem), state))
        except Exception as problem:  # noqa: BLE001 - a courier's mistake must not stop the others
            failure = self._wrapped(problem, may_have_arrived=is_committed)
            state = self._state_after(failure, lease, courier)
            return await self._settle(lease, self._failed(lease, str(failure), state))
        return await self._settle(
            lease,
            lambda: self._outbox.settle_sent(
                lease, self._clock.now(), reference, courier.settles_as
            ),
        )

    @asynccontextmanager
    async def _readable(self, lease: Lease) -> AsyncIterator[Path]:
        """The case's folder; it is opened only for a report that takes files of it along."""
        if not lease.report.attachments:
            yield lease.case_path
            return
        stack = ExitStack()
        case = self._open_case(lease.case_path)
        opening = asyncio.create_task(asyncio.to_thread(stack.enter_context, case))
        try:
            yield await asyncio.shield(opening)
        finally:  # a thread cannot be cancelled: what it opened is closed all the same
            await asyncio.gather(opening, return_exceptions=True)
            await asyncio.to_thread(stack.close)

    def _state_after(self, problem: DeliveryError, lease: Lease, courier: Courier) -> DeliveryState:
        if problem.is_ambiguous and not courier.is_repeatable:
            return DeliveryState.UNCERTAIN
        can_retry = problem.is_retryable or problem.is_ambiguous
        if can_retry and lease.tries < self._settings.attempts:
            return DeliveryState.RETRY
        return DeliveryState.FAILED

    def _wrapped(self, problem: Exception, *, may_have_arrived: bool) -> DeliveryError:
        if not isinstance(problem, IvrError | TimeoutError):
            _log.exception("courier_failed")
        return DeliveryError(
            "The delivery broke off.",
            why=f"{type(problem).__name__}: {problem}".strip(": "),
            remedy="See the log.",
            is_retryable=True,
            is_ambiguous=may_have_arrived,
        )

    def _failed(
        self, lease: Lease, error: str, state: DeliveryState
    ) -> Callable[[], Awaitable[Delivery]]:
        def settle() -> Awaitable[Delivery]:
            now = self._clock.now()
            pause = wait_s(lease.tries, self._settings, self._jitter())
            not_before = now + timedelta(seconds=pause)
            return self._outbox.settle_failed(lease, now, error, state, not_before)

        return settle

    async def _settle(
        self, lease: Lease, settle: Callable[[], Awaitable[Delivery]]
    ) -> Delivery | None:
        for n in range(_SETTLE_TRIES):
            try:
                delivery = await settle()
            except StorageError as problem:
                _log.error("settlement_refused", **_named(lease), **problem.as_dict())
                await asyncio.sleep(_SETTLE_WAIT_S * 2**n)
            else:
                _log.info("report_settled", **_named(lease), state=delivery.state.value)
                return delivery
        return None


def _named(lease: Lease) -> dict[str, object]:
    return {
        "report_id": lease.report.report_id[:16],
        "case_id": lease.report.case_id,
        "channel": lease.report.channel.value,
        "recipient": lease.report.recipient_id,
        "attempt": lease.attempt,
        "pii_address": lease.report.address,
    }
