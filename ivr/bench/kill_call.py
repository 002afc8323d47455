"""One caller on bare sockets that counts its packets: what was sent before a kill is known."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from typing import Final, Self

from ivr.media.rtp import RtpPacket, pack_rtp

HERE: Final = "127.0.0.1"
FRAME_S: Final = 0.02
RINGS_S: Final = 10.0
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):[^\r\n]*", re.MULTILINE)


class CountedCall(asyncio.DatagramProtocol):
    """INVITE, sound in packets of 20 ms, BYE; ``async with`` opens and closes its sockets.

    Args:
        to: address of the agent's SIP.
        access: user part of the request URI.
        number: the caller's number; each call has one of its own.
        frames: A-law, 160 bytes each.
    """

    def __init__(
        self, to: tuple[str, int], access: str, number: str, frames: Sequence[bytes]
    ) -> None:
        self._to, self._access, self._number, self._frames = to, access, number, frames
        self.call_id = f"kill-{secrets.token_hex(8)}"
        self.status = 0
        self.sent = 0
        self.is_over = False
        self._tag = ""
        self._media: tuple[str, int] | None = None
        self._final = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._sip, _ = await loop.create_datagram_endpoint(lambda: self, (HERE, 0))
        self._rtp, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, (HERE, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sip.close()
        self._rtp.close()

    @property
    def is_answered(self) -> bool:
        return self.status == 200

    async def run(self) -> None:
        """The whole call, until it is hung up; to be cancelled when the house is killed."""
        port = self._rtp.get_extra_info("sockname")[1]
        where = f"IN IP4 {HERE}"
        body = (
            f"v=0\r\no=- 1 1 {where}\r\ns=-\r\nc={where}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8\r\na=ptime:20\r\n"
        )
        self._request("INVITE", 1, body)
        async with asyncio.timeout(RINGS_S):
            await self._final.wait()
        self._request("ACK", 1)
        if self.is_answered and self._media is not None:
            await self._talk()
            if not self.is_over:
                self.is_over = True
                self._request("BYE", 2)

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for frame in self._frames:
            if self.is_over:
                return
            stamp = self.sent * len(frame)
            packet = RtpPacket(8, self.sent % 0x10000, stamp, 0x51, frame, self.sent == 0)
            self._rtp.sendto(pack_rtp(packet), self._media)
            self.sent += 1
            await asyncio.sleep(begun + self.sent * FRAME_S - loop.time())

    def _request(self, method: str, cseq: int, body: str = "") -> None:
        port = self._sip.get_extra_info("sockname")[1]
        kind = "Content-Type: application/sdp\r\n" if body else ""
        host, at = self._to
        text = (
            f"{method} sip:{self._access}@{host}:{at} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HERE}:{port};branch=z9hG4bK{method}{self.call_id}\r\n"
            f"From: <sip:{self._number}@{HERE}>;tag=f\r\n"
            f"To: <sip:{self._access}@{host}>{self._tag}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:c@{HERE}:{port}>\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._sip.sendto(text.encode(), self._to)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.startswith(b"SIP/2.0 "):
            self.is_over = self.is_over or data.startswith(b"BYE")
            head = b"\r\n".join([b"SIP/2.0 200 OK", *_COPIED.findall(data)])
            self._sip.sendto(head + b"\r\nContent-Length: 0\r\n\r\n", addr)
            return
        status, text = int(data[8:11]), data.decode("utf-8", "replace")
        if status < 200 or self._final.is_set() or "INVITE" not in text:
            return
        tag = re.search(r"^To:[^\r\n]*(;tag=[^\s;]+)", text, re.MULTILINE)
        media = re.search(r"^m=audio (\d+)", text, re.MULTILINE)
        self._tag = tag[1] if tag else ""
        self._media = (HERE, int(media[1])) if media else None
        self.status = status
        self._final.set()
