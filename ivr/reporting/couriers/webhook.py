"""JSON reports by HTTPS POST, signed so that the receiver can tell who wrote them and when.

The signature is that of the Standard Webhooks specification, version 1: HMAC-SHA256 over
``<report id>.<timestamp>.<body>``, base64, in ``webhook-signature: v1,<…>``. Own code: it is these
fifteen lines; the packages that do it bring an HTTP client or a server framework with them.

The report id is the idempotency key. A receiver that honours it takes a repeated report once, so
what is unclear is simply sent again; with ``webhook.receivers_are_idempotent = false`` it waits
for a person.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ivr.errors import DeliveryError, SettingsError
from ivr.facts.reports import DeliveryState, Report
from ivr.ports import Commit
from ivr.reporting.couriers.tls import client_context
from ivr.settings import WebhookSettings

_LEAST_SECRET_BYTES = 24
_REPLY_BYTES = 2000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Answers that say "not now", and ours to mend (401, 403: our key); the receiver took nothing.
_LATER = frozenset({401, 403, 408, 409, 421, 425, 429, 503})
# The receiver failed while it worked on the report, or a gateway lost sight of it.
_UNCLEAR = frozenset({500, 502, 504})


def signature(secret: bytes, report_id: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64>`` over id, timestamp (Unix seconds) and body."""
    signed = f"{report_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def read_secrets(file: Path) -> tuple[bytes, ...]:
    """One secret a line, ``whsec_`` and base64; two stand there while one replaces the other.

    Raises:
        SettingsError: unreadable, empty, or a secret of less than 24 bytes.
    """
    try:
        lines = file.read_text(encoding="ascii").split()
        secrets = tuple(
            base64.b64decode(line.removeprefix("whsec_"), validate=True) for line in lines
        )
    except (OSError, UnicodeDecodeError, binascii.Error) as problem:
        raise _bad_secret(file, f"{type(problem).__name__}: {problem}") from problem
    if not secrets:
        raise _bad_secret(file, "the file is empty")
    if min(map(len, secrets)) < _LEAST_SECRET_BYTES:
        raise _bad_secret(file, f"a secret has fewer than {_LEAST_SECRET_BYTES} bytes")
    return secrets


class WebhookCourier:
    """One HTTPS request a report; redirects and proxies of the environment are not followed."""

    settles_as = DeliveryState.SENT

    def __init__(self, settings: WebhookSettings, now: Callable[[], datetime]) -> None:
        """
        Args:
            settings: ``secrets_dir`` must be set.
            now: for the signed timestamp.

        Raises:
            SettingsError: no folder of secrets, or certificates that cannot be read.
        """
        if settings.secrets_dir is None:
            raise SettingsError(
                "Reports cannot be sent to webhooks.",
                why="webhook.secrets_dir is not set",
                remedy="Name the folder that holds a secret for each recipient.",
            )
        self._folder = settings.secrets_dir
        self._timeout_s = settings.timeout_s
        self._now = now
        self._tls = client_context(
            settings.ca_file, "webhook.ca_file", "Reports cannot be sent to webhooks."
        )
        self.is_repeatable = settings.receivers_are_idempotent

    async def deliver(self, report: Report, case_path: Path, commit: Commit) -> str:  # noqa: ARG002 - the port's signature; files are named in the body by digest, not sent
        """POST the report; returns status and the beginning of the answer, word for word.

        Raises:
            DeliveryError: see the module's docstring.
        """
        _check_address(report.address)
        file = self._folder / f"{report.recipient_id}.secret"
        try:
            secrets = await asyncio.to_thread(read_secrets, file)
        except SettingsError as problem:
            raise DeliveryError(
                problem.what, why=problem.why, remedy=problem.remedy, is_retryable=True
            ) from problem
        body = report.body.encode()
        headers = self._headers(report, body, secrets)
        limits = httpx.Timeout(self._timeout_s, connect=self._timeout_s / 2)
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=limits) as client:
            await commit()
            try:
                async with (
                    asyncio.timeout(self._timeout_s),
                    client.stream("POST", report.address, content=body, headers=headers) as reply,
                ):
                    text = await _beginning(reply)
            except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
                raise _unreachable(problem) from problem
            except (httpx.HTTPError, TimeoutError) as problem:
                raise _cut_off(problem) from problem
        return _judged(reply.status_code, text)

    def _headers(self, report: Report, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
        timestamp = int(self._now().timestamp())
        signed = [signature(secret, report.report_id, timestamp, body) for secret in secrets]
        return {
            "Content-Type": "application/json",
            "User-Agent": "ivr",
            "Idempotency-Key": report.report_id,
            "webhook-id": report.report_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signed),
        }


async def _beginning(reply: httpx.Response) -> str:
    """At most 2000 bytes of the answer. The status has come: an answer that breaks off, or never
    ends, changes nothing."""
    taken = b""
    try:
        async for piece in reply.aiter_raw():
            taken += piece
            if len(taken) >= _REPLY_BYTES:
                break
    except httpx.HTTPError:
        return taken.decode(errors="replace")
    return taken[:_REPLY_BYTES].decode(errors="replace")


def _judged(status: int, text: str) -> str:
    said = f"HTTP {status} {' '.join(text.split())}".strip()
    if 200 <= status < 300:
        return said
    if status in _UNCLEAR:
        raise _unclear(said)
    if status in _LATER or status >= 500:
        raise DeliveryError(
            f"The receiver refused for now ({status}).",
            why=said,
            remedy="Nothing to do: it is tried again. With 401 or 403, compare the secret.",
            is_retryable=True,
        )
    raise DeliveryError(
        f"The receiver refused the report ({status}).",
        why=said,
        remedy="Ask the receiver; check the recipient's address (redirects are not followed).",
        is_retryable=False,
    )


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise DeliveryError(
        "The report is not sent in the clear.",
        why="the recipient's address is not https",
        remedy="Give the recipient an https address.",
        is_retryable=False,
    )


def _bad_secret(file: Path, why: str) -> SettingsError:
    return SettingsError(
        "A webhook secret cannot be used.",
        why=f"{file}: {why}",
        remedy=f'Write one: echo "whsec_$(openssl rand -base64 32)" > {file.name}; chmod 600.',
    )


def _unreachable(problem: Exception) -> DeliveryError:
    is_tls = isinstance(problem.__cause__, ssl.SSLError) or "CERTIFICATE" in str(problem).upper()
    remedy = "Nothing to do: it is tried again. If it stays so, check the recipient's address."
    if is_tls:
        remedy = "Nothing was sent. The receiver needs a valid certificate, or set webhook.ca_file."
    return DeliveryError(
        "The receiver could not be reached.",
        why=f"{type(problem).__name__}: {problem}".strip(": "),
        remedy=remedy,
        is_retryable=True,
    )


def _cut_off(problem: Exception) -> DeliveryError:
    return _unclear(f"no answer: {type(problem).__name__}: {problem}".strip(": "))


def _unclear(why: str) -> DeliveryError:
    return DeliveryError(
        "The receiver may or may not have taken the report.",
        why=why,
        remedy="Ask the receiver for this report id, then confirm or retry.",
        is_retryable=False,
        is_ambiguous=True,
    )
