"""A mail server on this machine that keeps what it is sent, so that a person can open it."""

import asyncio
import mailbox
from email.message import Message
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

_MAX_BYTES = 64 * 1024 * 1024
_HOST = "127.0.0.1"


class _Keeper:
    """aiosmtpd's handler: one file in the Maildir for each message, before 250 is said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - the name is aiosmtpd's
        key = await asyncio.to_thread(self._keep, envelope.original_content or b"")
        return f"250 2.0.0 kept as {key}"

    def _keep(self, content: bytes) -> str:
        return mailbox.Maildir(self._folder, create=True).add(content)


class MailHost:
    """``async with MailHost(folder) as host:`` accepts mail on ``host.host``, ``host.port``.

    Loopback only, no encryption, no login: for the demonstration and for nothing else. Mail is
    kept in a Maildir in ``folder`` and stays there after the host is gone.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self._wanted_port = port
        self._server: asyncio.Server | None = None
        self._sessions: WeakSet[SMTP] = WeakSet()

    @property
    def host(self) -> str:
        return _HOST

    @property
    def port(self) -> int:
        """The port that was chosen."""
        if self._server is None:
            raise RuntimeError("the mail host is not running")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def messages(self) -> "list[Message[Any, Any]]":
        """What has arrived, in no particular order (blocking)."""
        return list(mailbox.Maildir(self._folder, create=True))

    def files(self) -> list[Path]:
        """Where the messages lie, oldest first."""
        return sorted((self._folder / "new").glob("*"))

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(mailbox.Maildir, self._folder, None, True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, _HOST, self._wanted_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()
        self._sessions.clear()

    def _session(self) -> SMTP:
        session = SMTP(
            _Keeper(self._folder),
            data_size_limit=_MAX_BYTES,
            hostname="localhost",
            ident="ivr demonstration mail host",
            loop=asyncio.get_running_loop(),
        )
        self._sessions.add(session)
        return session
