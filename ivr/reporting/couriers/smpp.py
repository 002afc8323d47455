"""Short messages through a short message centre, by SMPP 3.4.

Honest about what may have arrived: until the first submit_sm is written every failure is certain.
After it an answer is certain, and silence, a lost connection, or a message of which only some
parts were taken is not: that is reported as ambiguous and nothing is sent a second time.

Whether a centre routes 156 and 5656 is the operator's to say; ordinary accounts do not reach them.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from smpplib import consts

from ivr.errors import DeliveryError, SettingsError
from ivr.facts.replies import Bearing, SmppReference
from ivr.facts.reports import DeliveryState, Report
from ivr.ports import Commit
from ivr.reporting.couriers.replies import Incoming, Keep, from_centre
from ivr.reporting.couriers.smpp_session import SmppSession
from ivr.reporting.couriers.tls import client_context
from ivr.reporting.sms_parts import SmsPart, sms_parts
from ivr.settings import SmppSettings
from ivr.telemetry import logger

_log = logger("ivr.reporting.smpp")
UNUSABLE: Final = "Short messages cannot be sent by SMPP with these settings."
_LONGEST_PASSWORD = 8  # SMPP 3.4, 5.2.2; smpplib would cut a longer one off without a word
_UDHI = 0x40
_WANT_RECEIPT = 0x01
_TOO_FAST = frozenset({consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL})
# About the centre or our bind, not about the message: it was not taken, and may be later.
_LATER = frozenset({0x04, 0x05, consts.SMPP_ESME_RSYSERR, 0x45, 0x64})


class SmppCourier:
    """One bind for all reports, made when first needed and made again after it was lost."""

    is_repeatable = False
    settles_as = DeliveryState.SENT

    def __init__(self, settings: SmppSettings, keep: Keep, now: Callable[[], datetime]) -> None:
        """
        Args:
            settings: ``host`` must be set.
            keep: stores delivery receipts and replies word for word.
            now: when something came.

        Raises:
            SettingsError: an unencrypted centre that is not near, or certificates that cannot be
                read.
        """
        if settings.security == "none" and not _is_near(settings):
            raise _unusable(
                f"smpp.security is none, and {settings.host} is not this machine",
                "Set smpp.security to tls. Only for a private address at the end of an encrypted "
                "tunnel: smpp.plain_to_private = true.",
            )
        self._settings = settings
        self._keep, self._now = keep, now
        is_plain = settings.security == "none"
        self._tls = None if is_plain else client_context(settings.ca_file, "smpp.ca_file", UNUSABLE)
        self._session: SmppSession | None = None
        self._binding = asyncio.Lock()

    async def listen(self) -> None:
        """Stay bound until cancelled: a centre hands over receipts and replies only then."""
        is_told = False
        while True:
            try:
                session = await self._bound()
            except DeliveryError as problem:
                if not is_told:
                    _log.warning("smpp.not_listening", **problem.as_dict())
                is_told = True
            else:
                is_told = False
                await session.ended()
            await asyncio.sleep(self._settings.enquire_s)

    async def _take(self, incoming: Incoming) -> None:
        await self._keep(from_centre(incoming, self._now()))

    async def close(self) -> None:
        """Unbind, if bound."""
        if self._session is not None:
            await self._session.close()

    async def deliver(self, report: Report, case_path: object, commit: Commit) -> str:  # noqa: ARG002 - the port's signature; a message has no attachments
        """Send one message; returns the centre's message ids and what the receipt said.

        Raises:
            DeliveryError: see the module's docstring.
        """
        parts = _parts(report)
        session = await self._bound()
        await commit()
        ids: list[str] = []
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                for part in parts:  # not a comprehension: ids keeps what was taken before a failure
                    ids.append(await self._submit(session, report.address, part))  # noqa: PERF401 - as said above
        except _Refused as problem:
            raise _not_taken(problem, ids, len(parts)) from problem
        except (OSError, TimeoutError) as problem:
            raise _unclear(f"{type(problem).__name__}: {problem}", ids, len(parts)) from problem
        return await self._told(session, ids)

    async def _submit(self, session: SmppSession, address: str, part: SmsPart) -> str:
        """One part, tried again as long as the centre says that we are too fast."""
        settings = self._settings
        pause = settings.throttle_first_s
        until = asyncio.get_running_loop().time() + settings.timeout_s
        while True:
            answer = await session.request(
                "submit_sm",
                source_addr_ton=settings.source_ton,
                source_addr_npi=settings.source_npi,
                source_addr=settings.source,
                dest_addr_ton=settings.dest_ton,
                dest_addr_npi=settings.dest_npi,
                destination_addr=address,
                esm_class=_UDHI if part.has_header else 0,
                registered_delivery=_WANT_RECEIPT,
                data_coding=part.coding,
                short_message=part.data,
            )
            if answer.command == "submit_sm_resp" and answer.status == 0:
                return str((answer.message_id or b"").decode("latin-1"))
            is_too_fast = answer.status in _TOO_FAST
            # The wait must end well inside the time-out: what is refused is known, not unclear.
            if not is_too_fast or asyncio.get_running_loop().time() + 2 * pause > until:
                raise _Refused(answer)
            await asyncio.sleep(pause)
            pause *= 2

    async def _told(self, session: SmppSession, ids: list[str]) -> str:
        async def one(message_id: str) -> str | None:
            return await session.receipt(message_id, self._settings.receipt_wait_s)

        states = await asyncio.gather(*(one(each) for each in ids))
        said = SmppReference(tuple(zip(ids, states, strict=True)))
        if said.bearing is Bearing.REFUSED:
            raise DeliveryError(
                "The short message centre could not deliver the message.",
                why=str(said),
                remedy="Ask the operator whether this account reaches the short code, then retry.",
                is_retryable=False,
            )
        return str(said)

    async def _bound(self) -> SmppSession:
        async with self._binding:
            if self._session is None or self._session.is_over:
                self._session = await self._bind()
            return self._session

    async def _bind(self) -> SmppSession:
        settings = self._settings
        password = await asyncio.to_thread(self._password)
        session = None
        try:
            async with asyncio.timeout(settings.timeout_s):
                session = await SmppSession.open(
                    settings.host, settings.port, self._tls, self._take, settings.enquire_s
                )
                answer = await session.request(
                    "bind_transceiver",
                    system_id=settings.system_id,
                    password=password,
                    system_type=settings.system_type,
                    interface_version=consts.SMPP_VERSION_34,
                )
        except (OSError, TimeoutError) as problem:  # TLS errors are OSErrors
            if session is not None:
                await session.close()
            raise DeliveryError(
                "The short message centre could not be reached.",
                why=f"{type(problem).__name__}: {problem}".strip(": "),
                remedy="Nothing was sent; it is tried again. If it stays so, check [smpp].",
                is_retryable=True,
            ) from problem
        if answer.status != 0:
            await session.close()
            raise DeliveryError(
                f"The short message centre refused our login (0x{answer.status:02X}).",
                why=str(answer.get_status_desc()),
                remedy="Check smpp.system_id, the password file and smpp.system_type.",
                is_retryable=True,
            )
        return session

    def _password(self) -> str:
        file = self._settings.password_file
        why = f"longer than {_LONGEST_PASSWORD} characters, which SMPP 3.4 cannot carry"
        try:
            password = file.read_text(encoding="ascii").strip() if file else ""
        except (OSError, UnicodeDecodeError) as problem:
            password, why = " " * (_LONGEST_PASSWORD + 1), f"{type(problem).__name__}: {problem}"
        if len(password) > _LONGEST_PASSWORD:
            raise DeliveryError(
                "The password for the short message centre cannot be used.",
                why=f"{file}: {why}",
                remedy="Correct the file that smpp.password_file names.",
                is_retryable=True,
            )
        return password


class _Refused(Exception):
    """The centre answered, and took nothing of this part."""

    def __init__(self, answer: Any) -> None:
        self.status = int(answer.status)
        super().__init__(f"0x{self.status:02X} {answer.get_status_desc()}")


def _parts(report: Report) -> tuple[SmsPart, ...]:
    try:
        return sms_parts(report.body, int(report.report_id[:2], 16))
    except ValueError as problem:
        raise DeliveryError(
            "The message is too long for short messages.",
            why=str(problem),
            remedy="This is a mistake in the program; please report it.",
            is_retryable=False,
        ) from problem


def _not_taken(problem: _Refused, ids: list[str], count: int) -> DeliveryError:
    if ids:
        return _unclear(f"part {len(ids) + 1} was refused: {problem}", ids, count)
    is_later = problem.status in _TOO_FAST | _LATER
    return DeliveryError(
        "The short message centre refused the message" + (" for now." if is_later else "."),
        why=str(problem),
        remedy="Nothing to do: it is tried again."
        if is_later
        else "Check [smpp], ask the operator.",
        is_retryable=is_later,
    )


def _unclear(why: str, ids: list[str], count: int) -> DeliveryError:
    return DeliveryError(
        "The message may or may not have been taken.",
        why=f"{len(ids)} of {count} parts are known to be taken; {why}".strip(": "),
        remedy="Ask the operator or look for the receipt, then confirm or retry.",
        is_retryable=False,
        is_ambiguous=True,
    )


def _is_near(settings: SmppSettings) -> bool:
    """This machine; a private address only where the settings say so."""
    try:
        address = ipaddress.ip_address(settings.host)
    except ValueError:
        return settings.host == "localhost"
    return address.is_loopback or (settings.plain_to_private and address.is_private)


def _unusable(why: str, remedy: str) -> SettingsError:
    return SettingsError(UNUSABLE, why=why, remedy=remedy)
