"""The SIP agent: a pool of worker processes, four calls each, behind asyncio."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ivr.clock import Clock
from ivr.errors import SettingsError
from ivr.settings import RegistrationSettings, SipSettings, resolve
from ivr.telemetry import logger
from ivr.telephony.line import SipLine
from ivr.telephony.registrations import RegistrationState
from ivr.telephony.seat import Relief, WorkerSeat
from ivr.telephony.sources import SourceTable
from ivr.telephony.targets import Targets, read_registrar
from ivr.telephony.worker_config import Registration, WorkerConfig

CALLS_PER_WORKER = 4

log = logger("ivr.telephony")


class WorkerPool:
    """Use as ``async with WorkerPool(settings, clock) as pool``; then ``pool.incoming()``.

    A dead worker is replaced on the same port after a back-off of 0.2 s to 10 s; its calls end
    with ``CallClosed(blame=US, reason="worker died")``. An idle worker past its limits is
    relieved by a successor on its port.

    Args:
        may_call: the only SIP URIs that the agent will ever dial, besides ``sip.may_call``.
        registrations: registrars at which the first worker makes itself known.

    Raises:
        SettingsError: an address, a network, a target or a password file cannot be used.
    """

    def __init__(
        self,
        sip: SipSettings,
        clock: Clock,
        *,
        may_call: Sequence[str] = (),
        registrations: Sequence[RegistrationSettings] = (),
    ) -> None:
        self._sip = sip
        self._waiting: asyncio.Queue[SipLine | None] = asyncio.Queue(CALLS_PER_WORKER * sip.workers)
        self._is_draining = False
        self._keepers: list[asyncio.Task[None]] = []
        relief = Relief(sip.recycle_after_calls, sip.recycle_above_mb)
        self._seats = [
            WorkerSeat(config, clock, self._offer, relief)
            for config in _configs(sip, may_call, registrations)
        ]

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where each worker listens, UDP and TCP."""
        return tuple((self._sip.bind, seat.config.port) for seat in self._seats)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that live."""
        return tuple(seat.worker.pid for seat in self._seats if seat.worker is not None)

    @property
    def friends(self) -> tuple[str, ...]:
        """Networks (CIDR) whose packets reach the workers; the kernel drops all others'."""
        return tuple(dict.fromkeys(net for seat in self._seats for net in seat.config.friends))

    @property
    def slots_in_use(self) -> int:
        """Calls the workers hold, those still being buried included (at most a second old)."""
        return sum(seat.slots_in_use for seat in self._seats)

    @property
    def refused(self) -> int:
        """INVITEs refused with 503 since each worker started (at most a second old); falls when one
        is replaced."""
        return sum(seat.refused for seat in self._seats)

    @property
    def relieved(self) -> int:
        """Workers that were relieved by a successor after many calls."""
        return sum(seat.relieved for seat in self._seats)

    @property
    def died(self) -> int:
        """Workers that died or hung, and were replaced."""
        return sum(seat.died for seat in self._seats)

    @property
    def missing(self) -> int:
        """Places without a worker just now."""
        return sum(seat.worker is None for seat in self._seats)

    @property
    def sources(self) -> SourceTable:
        """Addresses whose INVITEs the workers refused since each started."""
        table = SourceTable()
        for seat in self._seats:
            table.add(seat.sources)
        return table

    @property
    def registrations(self) -> tuple[RegistrationState, ...]:
        """The last word of every registrar."""
        return tuple(state for seat in self._seats for state in seat.registrations.values())

    async def __aenter__(self) -> Self:
        """Start every worker.

        Raises:
            EnvironmentProblem: a port is taken.
            TelephonyError: a worker did not come up.
        """
        try:
            for seat in self._seats:
                await seat.start()
        except BaseException:  # tidied up, then raised again
            await self._stop_workers()
            raise
        self._keepers = [asyncio.create_task(seat.keep()) for seat in self._seats]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up what is left, stop the workers, end ``incoming``."""
        self._is_draining = True
        for seat in self._seats:
            for serial in tuple(seat.lines):
                seat.send({"type": "hang_up", "serial": serial, "reason": "the agent stops"})
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self._stop_workers()
        for seat in self._seats:
            seat.close_all("the agent stops")
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
        for seat in self._seats:
            seat.is_draining = True
            seat.send({"type": "drain"})

    def set_ready(self, is_ready: bool) -> None:
        """Whether OPTIONS are answered 200, or 503 with Retry-After: what a dispatcher asks. New
        INVITEs are offered all the same."""
        for seat in self._seats:
            if seat.is_ready != is_ready:
                seat.is_ready = is_ready
                seat.tell_readiness()

    def _offer(self, line: SipLine) -> bool:
        """Whether the line was put where ``incoming`` finds it."""
        if self._waiting.full():  # the reader of ``incoming`` does not come back
            log.error("nobody takes calls; refused", waiting=self._waiting.qsize())
            return False
        if self._is_draining:
            return False
        self._waiting.put_nowait(line)
        return True

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(seat.stop() for seat in self._seats))


def _configs(
    sip: SipSettings, may_call: Sequence[str], registrations: Sequence[RegistrationSettings]
) -> list[WorkerConfig]:
    """One configuration a worker; ports count up from the first, 0 stays 0.

    Only the first worker registers: a registrar that knows several contacts rings them all at
    once.
    """
    targets = tuple(dict.fromkeys((*may_call, *sip.may_call)))
    try:
        ipaddress.ip_address(sip.bind)
        for network in (*sip.allow_from, *sip.trusted_from):
            ipaddress.ip_network(network, strict=False)
        Targets(targets)
        known = tuple(_registration(each) for each in registrations)
    except ValueError as problem:
        raise SettingsError(
            "The SIP settings are not usable.",
            why=str(problem),
            remedy="sip.bind is one IP address; allow_from and trusted_from are CIDR networks; "
            "whom to call and where to register is named by numeric address.",
        ) from problem
    registrars = tuple(read_registrar(each.registrar)[0] for each in known)
    return [
        WorkerConfig(
            bind=sip.bind,
            port=sip.port + number if sip.port else 0,
            user_agent=sip.user_agent,
            allow_from=(*sip.allow_from, *registrars),
            retry_after_s=sip.retry_after_s,
            transaction_timeout_s=sip.transaction_timeout_s,
            may_call=targets,
            registrations=known if number == 0 else (),
        )
        for number in range(sip.workers)
    ]


def _registration(settings: RegistrationSettings) -> Registration:
    read_registrar(settings.registrar)
    password = _secret(settings.password_file) if settings.password_file is not None else ""
    return Registration(settings.registrar, settings.username, password, settings.expires_s)


def _secret(file: Path) -> str:
    try:
        return resolve(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(
            f"The password file {file} of a registration cannot be read.",
            why=str(problem),
            remedy="Put the password there, alone on one line, readable for this user only.",
        ) from problem
