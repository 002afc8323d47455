"""A mail server on loopback that remembers the Message-ID of everything it was sent."""

import asyncio
import email
from collections import Counter
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

_HOST = "127.0.0.1"
_MAX_BYTES = 64 << 20


class MailSink:
    """``async with MailSink() as sink:``; ``arrived`` counts each Message-ID."""

    def __init__(self) -> None:
        self.arrived: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it is entered."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - the name is aiosmtpd's
        message = email.message_from_bytes(envelope.original_content or b"")
        self.arrived[str(message["Message-ID"]).strip("<>").partition("@")[0]] += 1
        return "250 2.0.0 kept"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, data_size_limit=_MAX_BYTES, hostname="localhost", loop=loop),
            _HOST,
            0,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
