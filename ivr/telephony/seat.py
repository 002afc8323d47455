"""One place of the pool: its worker now, its port for ever, its calls.

A worker that dies is replaced on the port after a back-off. One that has served many calls, or
grown, is relieved when it is idle: a successor stands by, with everything loaded, before the old
one lets go of the port, so that the port is unheard for the blink of an eye and an INVITE over UDP
that falls into it comes again (RFC 3261: after half a second).
"""

import asyncio
import dataclasses
from collections.abc import Callable

from ivr.clock import Clock
from ivr.errors import EnvironmentProblem, TelephonyError
from ivr.telemetry import logger
from ivr.telephony.channel import Message
from ivr.telephony.leg import SipLeg
from ivr.telephony.line import SipLine
from ivr.telephony.registrations import RegistrationState, told
from ivr.telephony.seat_lines import SeatLines
from ivr.telephony.worker_config import WorkerConfig
from ivr.telephony.worker_process import WorkerProcess

FIRST_RESTART_S = 0.2
LONGEST_RESTART_S = 10.0
STEADY_AFTER_S = 30.0
"""A worker that lived so long starts the back-off anew when it dies."""

log = logger("ivr.telephony")


@dataclasses.dataclass(frozen=True, slots=True)
class Relief:
    """When an idle worker is relieved: after so many calls, or above so much resident memory."""

    after_calls: int
    above_mb: int


class WorkerSeat:
    """Runs ``keep`` for as long as the pool is open.

    Args:
        take: offers a new line; returns False when nobody takes it.
    """

    def __init__(
        self,
        config: WorkerConfig,
        clock: Clock,
        take: Callable[[SipLine], bool],
        relief: Relief,
    ) -> None:
        self.config = config
        self.worker: WorkerProcess | None = None
        self.slots_in_use = 0
        self.refused = 0
        self.sources: dict[str, int] = {}
        self.relieved = 0
        self.died = 0
        self.is_ready = True
        self.registrations: dict[str, RegistrationState] = {}
        self.is_draining = False
        self._clock = clock
        self._lines = SeatLines(config, clock, self.send, take)
        self._relief = relief
        self._standby: WorkerProcess | None = None
        self._dying: WorkerProcess | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._has_retired = False

    @property
    def lines(self) -> dict[int, SipLeg]:
        """The calls of this place by serial number."""
        return self._lines.lines

    def send(self, message: Message) -> None:
        if self.worker is not None:
            self.worker.send(message)

    async def start(self) -> None:
        """Put a worker on the port.

        Raises:
            EnvironmentProblem: the port is taken.
            TelephonyError: it did not come up.
        """
        standby, self._standby = self._standby, None
        worker = standby or await WorkerProcess.spawn()
        await worker.configure(self.config)
        self.config = dataclasses.replace(self.config, port=worker.port)
        self.worker = worker
        if self.is_draining:
            self.send({"type": "drain"})
        self.tell_readiness()

    def tell_readiness(self) -> None:
        """Whether OPTIONS are answered 200."""
        self.send({"type": "readiness", "is_ready": self.is_ready})

    async def keep(self) -> None:
        """Serve a worker's facts, and replace it for as long as the pool is open."""
        wait_s = FIRST_RESTART_S
        while True:
            worker = self.worker
            began_ns = self._clock.monotonic_ns()
            if worker is not None:
                async for message in worker.messages():
                    self._take(message)
                self.worker, self._dying = None, worker
                await worker.kill()
                self._dying = None
                if self._has_retired:
                    self._has_retired = False
                    if await self._relieve(worker.pid):
                        continue
                else:
                    self._died(worker)
            if self._clock.monotonic_ns() - began_ns > STEADY_AFTER_S * 1e9:
                wait_s = FIRST_RESTART_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)
            await self._try_start(wait_s)

    async def stop(self) -> None:
        """End the worker and one that stands by."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        worker, self.worker = self.worker, None
        if self._dying is not None:  # the keeper was cancelled before it had collected it
            await self._dying.kill()
        if self._standby is not None:
            await self._standby.kill()
        if worker is not None:
            await worker.stop()

    def close_all(self, reason: str) -> None:
        """Every call of this place is over."""
        self._lines.close_all(reason)
        self.slots_in_use = 0

    # --- workers come and go -------------------------------------------------------------------

    def _died(self, worker: WorkerProcess) -> None:
        self.died += 1
        log.error(
            "worker died",
            worker_pid=worker.pid,
            exit_status=worker.exit_status,
            calls=len(self.lines),
        )
        self.close_all("worker died")

    async def _try_start(self, again_in_s: float) -> bool:
        try:
            await self.start()
        except (EnvironmentProblem, TelephonyError) as problem:
            log.error("worker not restarted", why=problem.why, again_in_s=again_in_s)
            return False
        return True

    async def _relieve(self, old_pid: int) -> bool:
        self.close_all("worker relieved")  # it had no calls; one that it never told us of, perhaps
        if not await self._try_start(FIRST_RESTART_S):
            return False
        self.relieved += 1
        log.info("worker relieved", worker_pid=old_pid)
        return True

    def _consider_relief(self, message: Message) -> None:
        """Idle and past a limit: have a successor ready, then ask the worker to go. It goes only
        if it is idle still."""
        is_used = message["count"] > 0  # or a limit below a fresh worker would never be content
        is_due = is_used and (
            message["count"] >= self._relief.after_calls
            or message["resident_mb"] > self._relief.above_mb
        )
        if not is_due or self.lines or message["slots"]:
            return
        if self._standby is not None:
            self.send({"type": "retire"})
        elif self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._prepare())

    async def _prepare(self) -> None:
        try:
            self._standby = await WorkerProcess.spawn()
        except (OSError, TelephonyError) as problem:
            log.error("no successor for a worker", why=str(problem))
            return
        self.send({"type": "retire"})

    # --- facts ---------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "alive":
            self.slots_in_use, self.refused = message["slots"], message["refused"]
            self.sources = message["sources"]
            self._consider_relief(message)
        elif kind == "retired":
            self._has_retired = True
        elif kind == "registration":
            self.registrations[message["registrar"]] = told(message, log)
        elif kind == "log":
            log.warning(message["event"], pii_detail=message["detail"])
        else:
            self._lines.tell(message)
