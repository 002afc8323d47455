"""Hands linked recordings out: a page that says what a link leads to, and the file itself.

Opening a link shows the page alone, because mail programs and scanners open links by themselves;
the file needs a POST, the page's button. It is entered into the case's custody before its first
byte leaves. Every refusal is one short answer that tells nothing about any case.
"""

import html
import ipaddress
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from ivr.casefile import read_case
from ivr.clock import to_iso
from ivr.errors import DeliveryError, IvrError
from ivr.evidence.custody import Custodian, CustodyAction, append_custody, read_custody
from ivr.evidence.layout import is_sealed
from ivr.facts.reports import Attachment
from ivr.house import House
from ivr.locale import fill
from ivr.reporting.case_words import local_time
from ivr.reporting.couriers.message import opened
from ivr.reporting.links import PREFIX, Link, key_file, open_key, read_token
from ivr.settings import LinkSettings
from ivr.telemetry import logger
from ivr.watch.http_door import answering

_log = logger("ivr.casework.downloads")
_CHUNK: Final = 65_536
_MOST_BODY: Final = 4_096
_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    ),
)
OpenCase = Callable[[Path], AbstractContextManager[Path]]


class _Refused(Exception):
    """The answer that is given instead."""

    def __init__(self, status: str, vi: str, en: str) -> None:
        self.status, self.text = status, f"{vi}\n{en}\n"
        super().__init__(status)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A file on its way; closed by the server whatever happens (PEP 3333)."""

    file: BinaryIO
    stack: ExitStack

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.file.read(_CHUNK):
            yield chunk

    def close(self) -> None:
        self.stack.close()


class Downloads:
    """The WSGI application.

    Args:
        vault: folder of the cases.
        open_case: a case as a readable folder, also one that is encrypted at rest.
        now: the present moment.
    """

    def __init__(
        self,
        vault: Path,
        settings: LinkSettings,
        key: bytes,
        custodian: Custodian,
        open_case: OpenCase,
        now: Callable[[], datetime],
    ) -> None:
        self._vault, self._settings, self._key = vault, settings, key
        self._custodian, self._open_case, self._now = custodian, open_case, now
        self._counting = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI."""
        try:
            return self._answer(environ, start_response)
        except _Refused as refusal:
            return _text(start_response, refusal.status, refusal.text)
        except IvrError as problem:
            _log.error("download.failed", **problem.as_dict())
        except Exception:  # noqa: BLE001 - a mistake here must not show a stranger the inside of the house
            _log.exception("download.failed")
        return _text(
            start_response, "503 Service Unavailable", "Tạm thời chưa tải được.\nNot now.\n"
        )

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method = environ.get("REQUEST_METHOD", "")
        if method not in ("GET", "HEAD", "POST"):
            raise _Refused("405 Method Not Allowed", "Không hỗ trợ.", "Not supported.")
        _pass_over_body(environ)
        link = self._link(environ.get("PATH_INFO", ""))
        if method != "POST":
            return _page(start_response, link, is_empty=method == "HEAD")
        with ExitStack() as stack:
            case_path = stack.enter_context(self._open_case(self._vault / link.case_id))
            attachment = _named(case_path, link)
            file = stack.enter_context(opened(case_path, attachment))
            self._enter(link, attachment, _asker(environ))
            name = f"{link.case_id}-{PurePosixPath(attachment.path).name}"
            headers = [
                ("Content-Type", attachment.media_type),
                ("Content-Length", str(attachment.size)),
                ("Content-Disposition", f"attachment; filename*=UTF-8''{urllib.parse.quote(name)}"),
                *_HEADERS,
            ]
            start_response("200 OK", headers)
            return _Outgoing(file, stack.pop_all())

    def _link(self, path: str) -> Link:
        link = None
        if path.startswith(PREFIX):
            link = read_token(path.removeprefix(PREFIX), self._key)
        if link is None:
            raise _Refused("404 Not Found", "Liên kết không đúng.", "No such link.")
        if self._now() >= link.ends_at:
            raise _Refused(
                "410 Gone",
                "Liên kết đã hết hạn; xin trả lời thư để nhận liên kết mới.",
                "The link has ended; answer the mail to get another.",
            )
        if not is_sealed(self._vault / link.case_id):
            raise _Refused("410 Gone", "Vụ việc không còn được lưu giữ.", "Kept no more.")
        return link

    def _enter(self, link: Link, attachment: Attachment, address: str) -> None:
        """Into the case's custody, if the link may still be used. The custody log is also what is
        counted, so that a restart forgets no download."""
        path = self._vault / link.case_id
        with self._counting:
            used = sum(
                entry.get("facts", {}).get("link") == link.name for entry in read_custody(path)
            )
            if used >= self._settings.most_downloads:
                raise _Refused(
                    "429 Too Many Requests",
                    "Liên kết đã được dùng hết số lần; xin trả lời thư để nhận liên kết mới.",
                    "The link was used up; answer the mail to get another.",
                )
            append_custody(
                path,
                CustodyAction.EXPORTED,
                self._custodian,
                actor=f"recipient {link.recipient_id}",
                reason=f"downloaded by the link in report {link.report}",
                facts={
                    "file": attachment.path,
                    "sha256": attachment.sha256,
                    "size": attachment.size,
                    "link": link.name,
                    "link_ends_at": to_iso(link.ends_at),
                    "from_address": address,
                },
            )
        _log.info("download", case_id=link.case_id, recipient=link.recipient_id, n=used + 1)


def _named(case_path: Path, link: Link) -> Attachment:
    """The sealed file that the link means.

    Raises:
        DeliveryError: the case has no such file.
    """
    for file in read_case(case_path).files:
        if file.sha256 == link.sha256:
            return Attachment(file.path, file.media_type, file.sha256, file.size)
    raise DeliveryError(
        f"A link names a file that case {link.case_id} does not have.",
        why=f"no file under its seal has the SHA-256 {link.sha256[:16]}…",
        remedy="Run `ivr verify` on the case.",
        is_retryable=False,
    )


def _pass_over_body(environ: dict[str, Any]) -> None:
    """A form without fields has none; what else is sent must be read before the answer."""
    told = environ.get("CONTENT_LENGTH") or "0"
    if not told.isascii() or not told.isdigit() or int(told) > _MOST_BODY:
        raise _Refused("413 Content Too Large", "Yêu cầu quá lớn.", "Too large.")
    environ["wsgi.input"].read(int(told))


def _asker(environ: dict[str, Any]) -> str:
    """Address that asks; where our own web server passes it on, the last one it names."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    named = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    try:
        if ipaddress.ip_address(peer).is_loopback and named:
            return str(ipaddress.ip_address(named))
    except ValueError:
        return peer
    return peer


def _page(start_response: Any, link: Link, *, is_empty: bool) -> Iterable[bytes]:
    """Without opening the case: that may mean to decrypt it."""
    values = {
        "case_id": link.case_id,
        "recipient": link.recipient_id,
        "sha256": link.sha256,
        "ends": local_time(link.ends_at),
    }
    page = fill("vi", "download.html", {k: html.escape(str(v)) for k, v in values.items()}).encode()
    kind = ("Content-Type", "text/html; charset=utf-8")
    start_response("200 OK", [kind, ("Content-Length", str(len(page))), *_HEADERS])
    return [b"" if is_empty else page]


def _text(start_response: Any, status: str, text: str) -> Iterable[bytes]:
    body = text.encode()
    kind = ("Content-Type", "text/plain; charset=utf-8")
    start_response(status, [kind, ("Content-Length", str(len(body))), *_HEADERS])
    return [body]


@contextmanager
def handing_out(house: House) -> Iterator[str]:
    """Hand linked recordings out until the end of the block; yields the address, empty when it is
    off.

    Raises:
        EnvironmentProblem: the port is taken, or the links' secret cannot be used.
    """
    wanted = house.settings.links
    if not wanted.is_on:
        yield ""
        return
    key = open_key(key_file(house.vault.parent))
    app = Downloads(house.vault, wanted, key, house.custodian, house.open_case, house.clock.now)
    with answering(app, wanted.bind, wanted.port, "links") as address:
        yield address
