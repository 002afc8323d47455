"""A telephone made of bare sockets: rings, answers, refuses, is silent, or does what none should.

Own code for the same reason as ``raw_caller``: it must be able to break every rule.
"""

import asyncio
import re
from dataclasses import dataclass, field

from tests.fakes.raw_caller import RawCaller, Response, bracketed


@dataclass
class RawPhone(RawCaller):
    """``async with RawPhone(host, 0) as phone``; then ``await phone.rung()`` and an answer.

    Its requests within the call and its RTP are the caller's; ``contact`` is where to ring it.
    """

    user: str = "subscriber"
    invites: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "RawPhone":
        await super().__aenter__()
        return self

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{bracketed(self.local)}:{self.sip_port}"

    def _answer(self, request: str, source: tuple[str, int]) -> None:
        if request.startswith("INVITE "):
            is_new = request not in self.invites
            self.invites.append(request)
            if is_new:
                self._adopt(request, source)
            return
        super()._answer(request, source)

    def _adopt(self, request: str, source: tuple[str, int]) -> None:
        """The call that began with this INVITE is the one we speak in from now on."""
        self.host, self.port = source[0], source[1]
        self.call_id = _header(request, "Call-ID")
        self.remote = _header(request, "From")
        sdp = request.partition("\r\n\r\n")[2]
        if sdp:
            self.media_to = Response(0, request).audio

    def forget(self) -> None:
        """As if it had never rung."""
        self.invites.clear()
        self.requests.clear()

    async def rung(self, within_s: float = 5.0) -> str:
        """The next INVITE."""
        async with asyncio.timeout(within_s):
            while not self.invites:
                self.request_arrived.clear()
                await self.request_arrived.wait()
        return self.invites[0]

    async def until_request(self, method: str, within_s: float = 5.0) -> str:
        """The first request of a method that came or comes."""
        async with asyncio.timeout(within_s):
            while True:
                found = next((r for r in self.requests if r.startswith(f"{method} ")), None)
                if found is not None:
                    return found
                self.request_arrived.clear()
                await self.request_arrived.wait()

    def respond(self, status: int, reason: str, body: str = "", extra: str = "") -> None:
        """An answer to the last INVITE."""
        request = self.invites[-1]
        vias = "".join(f"Via: {via}\r\n" for via in re.findall(r"^Via:\s*(.*?)\r", request, re.M))
        head = (
            f"SIP/2.0 {status} {reason}\r\n{vias}From: {_header(request, 'From')}\r\n"
            f"To: {_header(request, 'To')}{';tag=' + self.from_tag if status > 100 else ''}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {_header(request, 'CSeq')}\r\n"
            f"Contact: <{self.contact}>\r\n{extra}"
        )
        if body:
            head += "Content-Type: application/sdp\r\n"
        self.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    async def answer(self, extra: str = "") -> None:
        """200 with our media, and wait for the ACK."""
        self.respond(200, "OK", self.sdp(), extra)
        await self.until_request("ACK")

    def request(self, method: str, body: str = "", **options: object) -> bytes:
        """A request in the dialog that the other side began: From and To change places."""
        made = super().request(method, body, **options)  # type: ignore[arg-type]
        text = made.decode("utf-8", "surrogateescape")
        ours = _header(self.invites[0], "To")
        text = re.sub(r"^From: .*$", f"From: {ours};tag={self.from_tag}\r", text, flags=re.M)
        text = re.sub(r"^To: .*$", f"To: {self.remote}\r", text, flags=re.M)
        return text.encode("utf-8", "surrogateescape")


def _header(request: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*?)\r?$", request, re.M | re.I)
    assert found is not None, request
    return found[1]
