"""Short messages by a GSM modem that holds the subscriber's SIM, through Gammu.

The one way to 156 and 5656 that needs no operator's favour. Gammu blocks, so it works in a thread
of its own. A call to it that takes too long cannot be broken off: until it returns the modem
counts as busy, and no later message is given to it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import gammu

from ivr.errors import DeliveryError, StorageError
from ivr.facts.reports import DeliveryState, Report
from ivr.ports import Commit
from ivr.reporting.couriers.replies import Keep, from_modem
from ivr.reporting.gsm import segments
from ivr.settings import ModemSettings
from ivr.telemetry import logger

T = TypeVar("T")
_log = logger("ivr.reporting.modem")
_MOST_ON_A_SIM = 1000
_HOME, _ABROAD = "HomeNetwork", "RoamingNetwork"
# Gammu refuses so before it hands a message to the network; every other failure is unclear.
_CERTAIN = (
    gammu.ERR_EMPTYSMSC,
    gammu.ERR_NOSIM,
    gammu.ERR_SECURITYERROR,
    gammu.ERR_PHONEOFF,
    gammu.ERR_NOTSUPPORTED,
    gammu.ERR_NOTIMPLEMENTED,
    gammu.ERR_NOTCONNECTED,
)


def open_gammu(settings: ModemSettings) -> Any:
    """A connected ``gammu.StateMachine``; raises gammu.GSMError."""
    machine = gammu.StateMachine()
    values = {"Device": str(settings.device), "Connection": settings.connection}
    machine.SetConfig(0, {**values, "Model": settings.model})
    machine.Init()
    return machine


class ModemCourier:
    """One message at a time; the modem stays open until something fails."""

    is_repeatable = False
    settles_as = DeliveryState.SENT

    def __init__(
        self,
        settings: ModemSettings,
        keep: Keep,
        now: Callable[[], datetime],
        open_modem: Callable[[ModemSettings], Any] = open_gammu,
    ) -> None:
        """
        Args:
            settings: ``device`` must be set.
            keep: stores what 156 and 5656 answer.
            now: when an answer was found.
            open_modem: gives a connected state machine.
        """
        self._settings = settings
        self._keep, self._now = keep, now
        self._open = open_modem
        self._machine: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="modem")
        self._turn = asyncio.Lock()
        self._job: asyncio.Future[Any] | None = None

    async def deliver(self, report: Report, case_path: object, commit: Commit) -> str:  # noqa: ARG002 - the port's signature; a message has no attachments
        """Send one message; returns the modem's message references.

        Raises:
            DeliveryError: certain until the modem was told to send; then only what Gammu refuses
                by itself is certain.
        """
        async with self._turn:
            if self._job is not None and not self._job.done():
                raise _not_ready("it is still busy with an earlier message")
            try:
                state = await self._in_thread(self._prepare)
            except (gammu.GSMError, TimeoutError) as problem:
                self._machine = None
                raise _not_ready(_said(problem)) from problem
            if state != _HOME and (self._settings.home_only or state != _ABROAD):
                raise _not_ready(f"the network says {state}")
            await commit()
            sent: list[int] = []
            try:
                await self._in_thread(lambda: self._send(report, sent))
            except _CERTAIN as problem:
                self._machine = None
                raise (_not_ready if not sent else _unclear)(_said(problem)) from problem
            except (gammu.GSMError, TimeoutError) as problem:
                self._machine = None
                raise _unclear(f"{_said(problem)}; parts sent: {len(sent)}") from problem
            return "modem " + ", ".join(str(reference) for reference in sent)

    async def listen(self) -> None:
        """Copy what 156 and 5656 answer from the SIM, until cancelled."""
        is_told = False
        while self._settings.replies_every_s > 0:
            try:
                await self.read_answers()
                is_told = False
            except (gammu.GSMError, TimeoutError, StorageError) as problem:
                if not is_told:
                    _log.warning("modem.answers_unread", why=_said(problem))
                is_told = True
            await asyncio.sleep(self._settings.replies_every_s)

    async def read_answers(self) -> None:
        """Keep each answer that lies on the SIM; the same one again changes nothing.

        Raises:
            gammu.GSMError, TimeoutError, StorageError: they lie there still.
        """
        async with self._turn:
            if self._job is not None and not self._job.done():
                return  # a message hangs in it; next time
            try:
                await self._in_thread(self._prepare)
                found = await self._in_thread(self._on_the_sim)
            except (gammu.GSMError, TimeoutError):
                self._machine = None
                raise
        for message in found:
            reply = from_modem(message, self._now())
            if reply is not None:
                await self._keep(reply)

    def _on_the_sim(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        step: dict[str, Any] = {"Start": True}
        with suppress(gammu.ERR_EMPTY):  # how Gammu says that there is no further one
            while len(found) < _MOST_ON_A_SIM:
                parts = self._machine.GetNextSMS(Folder=0, **step)
                found += parts
                step = {"Location": parts[0]["Location"]}
        return found

    async def _in_thread(self, work: Callable[[], T]) -> T:
        job = asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._job = job
        # Shielded: a time-out or the end of the lease must not forget a job that still runs.
        return await asyncio.wait_for(asyncio.shield(job), self._settings.timeout_s)

    def _prepare(self) -> str:
        if self._machine is None:
            self._machine = self._open(self._settings)
        return str(self._machine.GetNetworkInfo()["State"])

    def _send(self, report: Report, sent: list[int]) -> None:
        machine = self._machine
        described = {
            "Class": -1,
            "Unicode": segments(report.body).encoding == "ucs2",
            "Entries": [{"ID": "ConcatenatedTextLong", "Buffer": report.body}],
        }
        for message in gammu.EncodeSMS(described):
            message["SMSC"] = {"Location": 1}  # the centre that stands on the SIM
            message["Number"] = report.address
            sent.append(int(machine.SendSMS(message)))


def _said(problem: Exception) -> str:
    if isinstance(problem, gammu.GSMError) and problem.args and isinstance(problem.args[0], dict):
        return f"{type(problem).__name__}: {problem.args[0].get('Text', '')}"
    return f"{type(problem).__name__}: {problem}".strip(": ")


def _not_ready(why: str) -> DeliveryError:
    return DeliveryError(
        "The modem could not send the message.",
        why=why,
        remedy="Nothing was sent; it is tried again. Check [modem], the SIM (no PIN), reception.",
        is_retryable=True,
    )


def _unclear(why: str) -> DeliveryError:
    return DeliveryError(
        "The message may or may not have been sent.",
        why=why,
        remedy="Look at the SIM's bill or ask the operator, then confirm or retry.",
        is_retryable=False,
        is_ambiguous=True,
    )
