"""A registrar of bare sockets: digest (RFC 2617, MD5), contacts with expiry, and moods."""

import asyncio
import hashlib
import re
from dataclasses import dataclass, field

from tests.fakes.raw_caller import Inbox


@dataclass
class Registrar:
    """``async with Registrar("127.0.0.1") as registrar``; ``stop`` and ``start`` as one likes."""

    host: str
    username: str = "agent"
    password: str = "right"
    grants_s: int = 60
    port: int = 0
    contacts: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "Registrar":
        self.arrived = asyncio.Event()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._socket, inbox = await loop.create_datagram_endpoint(Inbox, (self.host, self.port))
        self.port = self._socket.get_extra_info("sockname")[1]
        self._reader = asyncio.create_task(self._serve(inbox))

    def stop(self) -> None:
        """Its port is closed: nobody answers."""
        self._reader.cancel()
        self._socket.close()

    @property
    def uri(self) -> str:
        return f"sip:{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def _serve(self, inbox: Inbox) -> None:
        while True:
            data, source = await inbox.received.get()
            text = data.decode()
            self.requests.append(text)
            self._socket.sendto(self._answer(text).encode(), source)
            self.arrived.set()

    def _answer(self, request: str) -> str:
        copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq):.*$", request, re.M)
        lines = "\n".join(line.rstrip("\r") for line in copied).replace("\n", "\r\n")
        if not self._is_authentic(request):
            challenge = 'WWW-Authenticate: Digest realm="lab",nonce="n0nce",algorithm=MD5'
            return f"SIP/2.0 401 Unauthorized\r\n{lines};tag=r\r\n{challenge}\r\n\r\n".replace(
                ";tag=r\r\nWWW", "\r\nWWW"
            )
        contact = re.search(r"^Contact:\s*(<[^>]+>)", request, re.M)
        expires = re.search(r"^Expires:\s*(\d+)", request, re.M)
        granted = min(self.grants_s, int(expires[1]) if expires else self.grants_s)
        assert contact is not None
        self.contacts = [contact[1]] if granted else []
        shown = f"Contact: {contact[1]};expires={granted}\r\n" if granted else ""
        return f"SIP/2.0 200 OK\r\n{lines}\r\n{shown}Content-Length: 0\r\n\r\n"

    def _is_authentic(self, request: str) -> bool:
        found = re.search(r"^Authorization:\s*Digest\s+(.*?)\r$", request, re.M)
        if found is None:
            return False
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', found[1]))
        one = _md5(f"{self.username}:lab:{self.password}")
        two = _md5(f"REGISTER:{given['uri']}")
        return bool(given["response"] == _md5(f"{one}:{given['nonce']}:{two}"))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
