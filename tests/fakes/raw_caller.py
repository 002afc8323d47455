"""A SIP caller made of bare sockets: any header, any SDP, any RTP, and every bad habit.

Own code, because a test peer must be able to do what no library allows: leave out the ACK, send
a body shorter than declared, garble a header. It shares nothing with the agent under test.
"""

import asyncio
import itertools
import math
import random
import re
import struct
from dataclasses import dataclass, field

import numpy as np

SAMPLE_RATE_HZ = 8000
PACKET_SAMPLES = 160
_numbers = itertools.count(1)


def encode_alaw(samples: np.ndarray) -> bytes:
    """ITU-T G.711 A-law of 16-bit samples."""
    magnitude = np.abs(samples).clip(0, 32635).astype(int)
    exponent = np.floor(np.log2(np.maximum(magnitude, 256))).astype(int) - 7
    mantissa = np.where(magnitude < 256, magnitude >> 4, magnitude >> (exponent + 3)) & 15
    code = np.where(magnitude < 256, 0, exponent) << 4 | mantissa
    return (code ^ np.where(samples >= 0, 0xD5, 0x55)).astype("u1").tobytes()


def decode_alaw(payload: bytes) -> np.ndarray:
    """16-bit samples of G.711 A-law."""
    code = np.frombuffer(payload, "u1").astype(int) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    value = np.where(
        exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0)
    )
    return np.where(code & 0x80, value, -value)


def decode_ulaw(payload: bytes) -> np.ndarray:
    """16-bit samples of G.711 µ-law."""
    code = ~np.frombuffer(payload, "u1").astype(int) & 0xFF
    value = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -value, value)


def tone(hertz: float, seconds: float, amplitude: int = 8000) -> np.ndarray:
    """A sine at 8 kHz."""
    at = np.arange(int(SAMPLE_RATE_HZ * seconds)) / SAMPLE_RATE_HZ
    return (amplitude * np.sin(2 * math.pi * hertz * at)).astype(int)


def loudest_hertz(samples: np.ndarray) -> float:
    """Frequency with the most energy."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)[int(spectrum[1:].argmax()) + 1])


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait((data, addr))


def bracketed(host: str) -> str:
    """As a URI writes it."""
    return f"[{host}]" if ":" in host else host


@dataclass
class Response:
    status: int
    text: str

    def header(self, name: str) -> str | None:
        found = re.search(rf"^{re.escape(name)}\s*:\s*(.*?)\r?$", self.text, re.M | re.I)
        return found[1] if found else None

    @property
    def sdp(self) -> str:
        return self.text.partition("\r\n\r\n")[2]

    @property
    def audio(self) -> tuple[str, int]:
        host = re.search(r"^c=IN IP[46] (\S+)", self.sdp, re.M)
        port = re.search(r"^m=audio (\d+)", self.sdp, re.M)
        assert host is not None, self.text
        assert port is not None, self.text
        return host[1], int(port[1])


@dataclass
class RawCaller:
    """One call. ``async with RawCaller(host, port) as caller: await caller.call()``."""

    host: str
    port: int
    local: str = "127.0.0.1"
    from_header: str = '"Nguyen" <sip:+84901234567@op.example>'
    extra: str = ""
    user: str = "ivr"
    cseq: int = 0
    to_tag: str = ""
    prefers_silence: bool = False  # answers no request
    responses: list[Response] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    last_invite: bytes = b""

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.random = random.Random(number)
        self.call_id = f"raw-{number}-{self.random.getrandbits(32):08x}"
        self.from_tag = f"f{number}"
        self.sequence = self.random.randrange(60000)
        self.timestamp = self.random.getrandbits(31)
        self.ssrc = self.random.getrandbits(32)
        self.media_to: tuple[str, int] | None = None
        self.request_arrived = asyncio.Event()

    async def __aenter__(self) -> "RawCaller":
        loop = asyncio.get_running_loop()
        self._sip, inbox = await loop.create_datagram_endpoint(Inbox, (self.local, 0))
        self._inbox = inbox
        self._rtp, self.rtp_inbox = await loop.create_datagram_endpoint(Inbox, (self.local, 0))
        self.sip_port = self._sip.get_extra_info("sockname")[1]
        self.rtp_port = self._rtp.get_extra_info("sockname")[1]
        self._final: asyncio.Queue[Response] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self._sip.close()
        self._rtp.close()

    async def _read(self) -> None:
        while True:
            data, source = await self._inbox.received.get()
            text = data.decode("utf-8", "surrogateescape")
            if text.startswith("SIP/2.0 "):
                response = Response(int(text[8:11]), text)
                self.responses.append(response)
                if response.status >= 200:
                    is_invite = (response.header("CSeq") or "").endswith("INVITE")
                    found = re.search(r"^To:.*?(;tag=[^\s;]+)", text, re.M | re.I)
                    if found and is_invite:
                        self.to_tag = found[1]
                    self._final.put_nowait(response)
                continue
            self.requests.append(text)
            self.request_arrived.set()
            if not self.prefers_silence and not text.startswith("ACK"):
                self._answer(text, source)

    def _answer(self, request: str, source: tuple[str, int]) -> None:
        copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq):.*$", request, re.M | re.I)
        lines = "\n".join(line.rstrip("\r") for line in copied).replace("\n", "\r\n")
        answer = f"SIP/2.0 200 OK\r\n{lines}\r\nContent-Length: 0\r\n\r\n"
        self._sip.sendto(answer.encode("utf-8", "surrogateescape"), source)

    @property
    def family(self) -> str:
        return "IP6" if ":" in self.local else "IP4"

    # --- signalling ----------------------------------------------------------------------------

    def sdp(
        self,
        direction: str | None = None,
        payloads: str = "8 101",
        extra: str = "",
        port: int | None = None,
    ) -> str:
        names = {
            "8": "PCMA/8000", "0": "PCMU/8000", "101": "telephone-event/8000",
            "96": "telephone-event/8000", "18": "G729/8000", "9": "G722/8000",
            "111": "opus/48000/2",
        }  # fmt: skip
        maps = "".join(f"a=rtpmap:{item} {names[item]}\r\n" for item in payloads.split())
        return (
            f"v=0\r\no=- 1 {self.cseq + 1} IN {self.family} {self.local}\r\ns=-\r\n"
            f"c=IN {self.family} {self.local}\r\nt=0 0\r\n"
            f"m=audio {port or self.rtp_port} RTP/AVP {payloads}\r\n{maps}a=ptime:20\r\n"
            + (f"a={direction}\r\n" if direction else "")
            + extra
        )

    def request(
        self,
        method: str,
        body: str = "",
        *,
        kind: str = "application/sdp",
        extra: str = "",
        branch: str | None = None,
        cseq: int | None = None,
    ) -> bytes:
        """The bytes of a request; sends nothing."""
        if cseq is None and method not in ("ACK", "CANCEL"):
            self.cseq += 1
        branch = branch or f"z9hG4bK{self.random.getrandbits(48):x}"
        self.branch = branch
        text = (
            f"{method} sip:{self.user}@{bracketed(self.host)}:{self.port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {bracketed(self.local)}:{self.sip_port};rport;branch={branch}\r\n"
            f"From: {self.from_header};tag={self.from_tag}\r\n"
            f"To: <sip:{self.user}@{bracketed(self.host)}>{self.to_tag}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {cseq or self.cseq} {method}\r\n"
            "Max-Forwards: 70\r\n"
            f"Contact: <sip:a@{bracketed(self.local)}:{self.sip_port}>\r\n{extra}"
        )
        if body:
            text += f"Content-Type: {kind}\r\n"
        content = body.encode("utf-8", "surrogateescape")
        head = f"{text}Content-Length: {len(content)}\r\n\r\n"
        return head.encode("utf-8", "surrogateescape") + content

    def send(self, data: bytes) -> None:
        self._sip.sendto(data, (self.host, self.port))

    async def final(self, within_s: float = 5.0) -> Response:
        """The next final response."""
        async with asyncio.timeout(within_s):
            return await self._final.get()

    def invite(self, body: str | None = None, extra: str = "") -> None:
        """Send an INVITE for a new call; an empty body is an INVITE without offer."""
        if self.to_tag:
            self.to_tag = ""
            self.call_id += "+"
        data = self.request(
            "INVITE", self.sdp() if body is None else body, extra=self.extra + extra
        )
        self.last_invite = data
        self._invite_branch = self.branch
        self.send(data)

    def ack(self, body: str = "") -> None:
        self.send(self.request("ACK", body, cseq=self.cseq))

    def cancel(self) -> None:
        self.send(self.request("CANCEL", branch=self._invite_branch, cseq=self.cseq))

    async def call(
        self, body: str | None = None, *, extra: str = "", ack: bool = True, within_s: float = 5.0
    ) -> Response:
        """INVITE, final response, ACK."""
        self.invite(body, extra)
        response = await self.final(within_s)
        if ack and response.status >= 200:
            self.ack()
        if response.status == 200 and response.sdp:
            self.media_to = response.audio
        return response

    async def ask(self, method: str, body: str = "", **options: str) -> Response:
        """Any other request and its final response."""
        self.send(self.request(method, body, **options))
        return await self.final()

    async def bye(self, extra: str = "") -> Response:
        return await self.ask("BYE", extra=extra)

    # --- media ---------------------------------------------------------------------------------

    def send_rtp(
        self, payload: bytes, kind: int = 8, mark: bool = False, at: int | None = None
    ) -> None:
        assert self.media_to
        stamp = self.timestamp if at is None else at
        head = struct.pack(
            "!BBHII", 0x80, kind | mark << 7, self.sequence & 0xFFFF, stamp & 0xFFFFFFFF, self.ssrc
        )
        self._rtp.sendto(head + payload, self.media_to)
        self.sequence += 1
        if at is None:
            self.timestamp += PACKET_SAMPLES

    async def play(self, payload: bytes, kind: int = 8) -> None:
        """Send encoded sound at its own pace."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, start in enumerate(range(0, len(payload), PACKET_SAMPLES)):
            self.send_rtp(payload[start : start + PACKET_SAMPLES], kind)
            await asyncio.sleep(began + 0.02 * (number + 1) - loop.time())

    async def press(self, digit: str, kind: int = 101) -> None:
        """A key as RFC 4733 sends it: updates, then the end three times."""
        event, stamp = "0123456789*#ABCD".index(digit), self.timestamp
        for number in range(1, 6):
            body = struct.pack("!BBH", event, 10, number * PACKET_SAMPLES)
            self.send_rtp(body, kind, mark=number == 1, at=stamp)
            await asyncio.sleep(0.02)
        for _ in range(3):
            self.send_rtp(struct.pack("!BBH", event, 0x80 | 10, 6 * PACKET_SAMPLES), kind, at=stamp)
        self.timestamp += 8 * PACKET_SAMPLES

    def heard(self) -> list[tuple[int, bytes, tuple[str, int]]]:
        """(payload type, payload, source) of RTP received so far; each packet once."""
        packets = []
        while not self.rtp_inbox.received.empty():
            data, source = self.rtp_inbox.received.get_nowait()
            packets.append((data[1] & 0x7F, data[12:], source))
        return packets
