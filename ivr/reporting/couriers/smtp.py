"""Mail by SMTP (RFC 5321): encrypted, authenticated, and honest about what may have arrived.

Until the commit point (recipient accepted, content not yet sent) every failure is certain.
After it, a reply is certain and silence is not: a connection that dies between the end of the
content and the server's answer may or may not have delivered, and is reported as ambiguous.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol

import aiosmtplib

from ivr.errors import DeliveryError, SettingsError
from ivr.facts.reports import DeliveryState, Report
from ivr.ports import Commit
from ivr.reporting.couriers.message import NO_LINKS, build_message
from ivr.reporting.couriers.tls import client_context
from ivr.reporting.postscript import Postscript
from ivr.settings import SmtpSettings

UNUSABLE: Final = "Mail cannot be sent with these settings."
_QUIT_S = 2.0
# Other refusals (greeting, EHLO, STARTTLS) are about the server: reports wait until it is mended.
_ABOUT_THE_REPORT = (
    aiosmtplib.SMTPSenderRefused,
    aiosmtplib.SMTPRecipientRefused,
    aiosmtplib.SMTPDataError,
)


class Signer(Protocol):
    """Puts a signature in front of a message."""

    def signed(self, content: bytes) -> bytes: ...


class SmtpCourier:
    """One connection a report; no state between reports."""

    is_repeatable = False
    settles_as = DeliveryState.SENT

    def __init__(
        self,
        settings: SmtpSettings,
        now: Callable[[], datetime],
        signer: Signer | None = None,
        postscript: Postscript = NO_LINKS,
    ) -> None:
        """
        Args:
            settings: ``host`` must be set.
            now: for the Date header.
            signer: signs each message; None: it goes as it is.
            postscript: says where files are that a mail does not carry.

        Raises:
            SettingsError: no host, an unencrypted one elsewhere, or certificates that cannot
                be read.
        """
        if not settings.host:
            raise _unusable("smtp.host is empty", "Name a mail server, or use the outbox folder.")
        if settings.security == "none" and not _is_loopback(settings.host):
            raise _unusable(
                f"smtp.security is none, and {settings.host} is not this machine",
                "Set smtp.security to starttls or tls.",
            )
        self._settings = settings
        self._now = now
        self._signer = signer
        self._postscript = postscript
        is_plain = settings.security == "none"
        self._tls = None if is_plain else client_context(settings.ca_file, "smtp.ca_file", UNUSABLE)

    async def deliver(self, report: Report, case_path: Path, commit: Commit) -> str:
        """Send one mail; returns the server's final reply, which often names its queue id.

        Raises:
            DeliveryError: see the module's docstring.
        """
        sender, moment = self._settings.sender, self._now()
        message = await asyncio.to_thread(
            build_message, report, case_path, sender, moment, self._postscript
        )
        content = await asyncio.to_thread(self._content, message)
        is_committed = False

        async def committed() -> None:
            nonlocal is_committed
            await commit()
            is_committed = True

        client = self._client()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                reply = await self._converse(client, report.address, content, committed)
        except aiosmtplib.SMTPAuthenticationError as problem:
            raise _login_refused(problem) from problem
        except aiosmtplib.SMTPResponseException as problem:
            raise _refused(problem, is_committed=is_committed) from problem
        except (aiosmtplib.SMTPException, OSError) as problem:  # TimeoutError is an OSError
            raise _cut_off(problem, is_committed=is_committed) from problem
        else:
            await _take_leave(client)
            return reply
        finally:
            client.close()

    def _content(self, message: EmailMessage) -> bytes:
        content = message.as_bytes()
        return content if self._signer is None else self._signer.signed(content)

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout_s,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._tls,
        )

    async def _converse(
        self, client: aiosmtplib.SMTP, address: str, content: bytes, commit: Commit
    ) -> str:
        settings = self._settings
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()  # now, to learn whether SIZE may be announced
        if settings.username:
            await client.login(settings.username, await asyncio.to_thread(self._password))
        sized = [f"SIZE={len(content)}"] if client.supports_extension("size") else []
        await client.mail(settings.sender, options=sized)
        await client.rcpt(address)
        await commit()
        reply = await client.data(content)
        return f"{reply.code} {reply.message}"

    def _password(self) -> str:
        file = self._settings.password_file
        try:
            return file.read_text(encoding="utf-8").strip() if file else ""
        except (OSError, UnicodeDecodeError) as problem:
            raise DeliveryError(
                "The password for the mail server cannot be read.",
                why=f"{file}: {problem}",
                remedy="Make smtp.password_file readable for this user.",
                is_retryable=True,
            ) from problem


async def _take_leave(client: aiosmtplib.SMTP) -> None:
    """QUIT, as RFC 5321 wants. The report is delivered: nothing here can change that."""
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_QUIT_S):
            await client.quit()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unusable(why: str, remedy: str) -> SettingsError:
    return SettingsError(UNUSABLE, why=why, remedy=remedy)


def _login_refused(problem: aiosmtplib.SMTPAuthenticationError) -> DeliveryError:
    # Whatever the code: the report is fine, the login is not. It waits until that is mended.
    return DeliveryError(
        f"The mail server refused our login ({problem.code}).",
        why=problem.message,
        remedy="Check smtp.username and the password file.",
        is_retryable=True,
    )


def _refused(problem: aiosmtplib.SMTPResponseException, *, is_committed: bool) -> DeliveryError:
    about_this_report = isinstance(problem, _ABOUT_THE_REPORT)
    if about_this_report and 500 <= problem.code < 600:
        return DeliveryError(
            f"The mail server refused the report ({problem.code}).",
            why=problem.message,
            remedy="Check the recipient's address and size limit, then retry the report.",
            is_retryable=False,
        )
    if 400 <= problem.code < 600:
        return DeliveryError(
            f"The mail server refused for now ({problem.code}).",
            why=problem.message,
            remedy="Nothing to do: it is tried again. If it stays so, ask the server's operator.",
            is_retryable=True,
        )
    return _cut_off(problem, is_committed=is_committed)  # no reply that RFC 5321 knows here


def _cut_off(problem: Exception, *, is_committed: bool) -> DeliveryError:
    why = f"{type(problem).__name__}: {problem}".strip(": ")
    if is_committed:
        return DeliveryError(
            "The connection was lost after the report had been handed over.",
            why=why,
            remedy="Ask the recipient, or look in the mail server's log, then confirm or retry.",
            is_retryable=False,
            is_ambiguous=True,
        )
    remedy = "Nothing to do: it is tried again. If it stays so, check smtp.host and its port."
    if isinstance(problem, ssl.SSLError) or isinstance(problem.__cause__, ssl.SSLError):
        remedy = "Nothing was sent. Give the server a valid certificate, or set smtp.ca_file."
    return DeliveryError(
        "The mail server could not be reached.", why=why, remedy=remedy, is_retryable=True
    )
