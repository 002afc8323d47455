"""The SIP agent: a pool of worker processes, four calls each, behind asyncio."""

import asyncio
import dataclasses
import ipaddress
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from ivr.clock import Clock
from ivr.errors import EnvironmentProblem, SettingsError, TelephonyError
from ivr.facts.call import Blame, CallClosed, Dtmf, MediaAgreed
from ivr.settings import SipSettings
from ivr.telemetry import logger
from ivr.telephony.channel import Message
from ivr.telephony.line import SipLine
from ivr.telephony.offer import read_offer
from ivr.telephony.worker_config import WorkerConfig
from ivr.telephony.worker_process import WorkerProcess

CALLS_PER_WORKER = 4
FIRST_RESTART_S = 0.2
LONGEST_RESTART_S = 10.0
STEADY_AFTER_S = 30.0
"""A worker that lived so long starts the back-off anew when it dies."""

log = logger("ivr.telephony")


class _Slot:
    """One place of the pool: its worker now, its port for ever, its calls."""

    def __init__(self, config: WorkerConfig) -> None:
        self.config = config
        self.worker: WorkerProcess | None = None
        self.lines: dict[int, SipLine] = {}
        self.started_ns: dict[int, int] = {}
        self.slots_in_use = 0
        self.refused = 0

    def send(self, message: Message) -> None:
        if self.worker is not None:
            self.worker.send(message)


class WorkerPool:
    """Use as ``async with WorkerPool(settings, clock) as pool``; then ``pool.incoming()``.

    A dead worker is replaced on the same port after a back-off of 0.2 s to 10 s; its calls end
    with ``CallClosed(blame=US, reason="worker died")``.
    """

    def __init__(self, sip: SipSettings, clock: Clock) -> None:
        self._sip = sip
        self._clock = clock
        self._slots = [_Slot(config) for config in _configs(sip)]
        self._waiting: asyncio.Queue[SipLine | None] = asyncio.Queue(CALLS_PER_WORKER * sip.workers)
        self._is_draining = False
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where each worker listens, UDP and TCP."""
        return tuple((self._sip.bind, slot.config.port) for slot in self._slots)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that live."""
        return tuple(slot.worker.pid for slot in self._slots if slot.worker is not None)

    @property
    def slots_in_use(self) -> int:
        """Calls the workers hold, those still being buried included (at most a second old)."""
        return sum(slot.slots_in_use for slot in self._slots)

    @property
    def refused(self) -> int:
        """INVITEs refused with 503 since each worker started (at most a second old)."""
        return sum(slot.refused for slot in self._slots)

    async def __aenter__(self) -> Self:
        """Start every worker.

        Raises:
            EnvironmentProblem: a port is taken.
            TelephonyError: a worker did not come up.
        """
        try:
            for slot in self._slots:
                await self._start(slot)
        except BaseException:  # tidied up, then raised again
            await self._stop_workers()
            raise
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in self._slots]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up what is left, stop the workers, end ``incoming``."""
        self._is_draining = True
        for slot in self._slots:
            for line in tuple(slot.lines.values()):
                slot.send({"type": "hang_up", "serial": line.serial, "reason": "the agent stops"})
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self._stop_workers()
        for slot in self._slots:
            self._close_all(slot, "the agent stops")
        while self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def incoming(self) -> AsyncIterator[SipLine]:
        """Calls as they arrive, for one reader; ends when the pool is left.

        At most four calls a worker wait here, which is all a worker can hold.
        """
        while (line := await self._waiting.get()) is not None:
            yield line

    async def drain(self) -> None:
        """From now on new INVITEs and OPTIONS get 503 with Retry-After; calls go on."""
        self._is_draining = True
        for slot in self._slots:
            slot.send({"type": "drain"})

    # --- workers -------------------------------------------------------------------------------

    async def _start(self, slot: _Slot) -> None:
        worker = await WorkerProcess.start(slot.config)
        slot.config = dataclasses.replace(slot.config, port=worker.port)
        slot.worker = worker
        if self._is_draining:
            slot.send({"type": "drain"})

    async def _keep(self, slot: _Slot) -> None:
        """Serve a worker's facts, and replace it for as long as the pool is open."""
        wait_s = FIRST_RESTART_S
        while True:
            worker = slot.worker
            began_ns = self._clock.monotonic_ns()
            if worker is not None:
                async for message in worker.messages():
                    self._take(slot, message)
                slot.worker = None
                await worker.kill()
                log.error(
                    "worker died",
                    worker_pid=worker.pid,
                    exit_status=worker.exit_status,
                    calls=len(slot.lines),
                )
                self._close_all(slot, "worker died")
            if self._clock.monotonic_ns() - began_ns > STEADY_AFTER_S * 1e9:
                wait_s = FIRST_RESTART_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)
            try:
                await self._start(slot)
            except (EnvironmentProblem, TelephonyError) as problem:
                log.error("worker not restarted", why=problem.why, again_in_s=wait_s)

    async def _stop_workers(self) -> None:
        workers = [slot.worker for slot in self._slots if slot.worker is not None]
        for slot in self._slots:
            slot.worker = None
        await asyncio.gather(*(worker.stop() for worker in workers))

    def _close_all(self, slot: _Slot, reason: str) -> None:
        for serial in tuple(slot.lines):
            began_ns = slot.started_ns.get(serial)
            spoken_ns = self._clock.monotonic_ns() - began_ns if began_ns is not None else 0
            self._close(slot, serial, Blame.US, reason, 0, round(spoken_ns / 1e9, 3))
        slot.slots_in_use = 0

    # --- facts ---------------------------------------------------------------------------------

    def _take(self, slot: _Slot, message: Message) -> None:
        kind = message["type"]
        if kind == "incoming":
            self._admit(slot, message)
        elif kind == "alive":
            slot.slots_in_use, slot.refused = message["slots"], message["refused"]
        elif kind == "log":
            log.warning(message["event"], pii_detail=message["detail"])
        elif (line := slot.lines.get(message["serial"])) is not None:
            self._tell(slot, line, message)

    def _admit(self, slot: _Slot, message: Message) -> None:
        host, port = message["source"]
        raw = message["raw"].encode("utf-8", "surrogateescape")
        offer = read_offer(raw, (host, port), message["transport"], self._clock.now())
        line = SipLine(message["serial"], offer, slot.send)
        is_stuck = self._waiting.full()  # the reader of ``incoming`` does not come back
        if is_stuck:
            log.error("nobody takes calls; refused", waiting=self._waiting.qsize())
        if is_stuck or self._is_draining:
            slot.send(_unavailable(line.serial, self._sip.retry_after_s))
            return
        self._waiting.put_nowait(line)
        slot.lines[line.serial] = line

    def _tell(self, slot: _Slot, line: SipLine, message: Message) -> None:
        kind = message["type"]
        if kind == "confirmed":
            slot.started_ns[line.serial] = self._clock.monotonic_ns()
            line.confirmed()
        elif kind == "media":
            line.push(_media(message))
        elif kind == "dtmf":
            line.push(Dtmf(message["digit"], message["at_s"], message["method"]))
        elif kind == "played":
            line.played(message["play"], None)
        elif kind == "command_failed":
            self._command_failed(slot, line, message)
        elif kind == "media_failed":
            slot.send({"type": "hang_up", "serial": line.serial, "reason": "media failed"})
        elif kind == "closed":
            blame, reason = Blame(message["blame"]), message["reason"]
            status, duration_s = message["status"], message["duration_s"]
            self._close(slot, line.serial, blame, reason, status, duration_s)

    def _command_failed(self, slot: _Slot, line: SipLine, message: Message) -> None:
        log.warning("command failed", command=message["command"], pii_detail=message["detail"])
        if message["command"] == "play":
            line.played(message["play"], message["detail"])
        elif message["command"] == "answer":
            slot.send({"type": "hang_up", "serial": line.serial, "reason": message["detail"]})

    def _close(
        self, slot: _Slot, serial: int, blame: Blame, reason: str, status: int, duration_s: float
    ) -> None:
        slot.started_ns.pop(serial, None)
        line = slot.lines.pop(serial)
        line.close(CallClosed(blame, reason, status, duration_s, self._clock.now()))


def _unavailable(serial: int, retry_after_s: int) -> Message:
    return {
        "type": "refuse",
        "serial": serial,
        "status": 503,
        "reason": "Service Unavailable",
        "retry_after_s": retry_after_s,
    }


def _media(message: Message) -> MediaAgreed:
    return MediaAgreed(
        remote=(message["remote"][0], message["remote"][1]),
        signalled_from=message["signalled_from"],
        agent=(message["agent"][0], message["agent"][1]),
        payload_types={
            int(number): (name, rate) for number, (name, rate) in message["payload_types"].items()
        },
        direction=message["direction"],
    )


def _configs(sip: SipSettings) -> list[WorkerConfig]:
    """One configuration a worker; ports count up from the first, 0 stays 0.

    Raises:
        SettingsError: an address or a network cannot be used.
    """
    try:
        ipaddress.IPv4Address(sip.bind)
        for network in (*sip.allow_from, *sip.trusted_from):
            ipaddress.ip_network(network, strict=False)
    except ValueError as problem:
        raise SettingsError(
            "The SIP settings are not usable.",
            why=str(problem),
            remedy="sip.bind is one IPv4 address; allow_from and trusted_from are CIDR networks.",
        ) from problem
    return [
        WorkerConfig(
            bind=sip.bind,
            port=sip.port + number if sip.port else 0,
            user_agent=sip.user_agent,
            allow_from=sip.allow_from,
            retry_after_s=sip.retry_after_s,
            transaction_timeout_s=sip.transaction_timeout_s,
        )
        for number in range(sip.workers)
    ]
