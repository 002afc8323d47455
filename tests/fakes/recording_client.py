"""A session recording client (RFC 7866) made of bare sockets, with every bad habit of real ones.

Own code, because a test peer must do what no library allows: cut a message, lose an ACK, send a
boundary nobody declared. It shares nothing with the server under test.
"""

import asyncio
import itertools
import random
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.rtp_sender import on_time, packets, play, tone

_numbers = itertools.count(1)
CALLER = "+84987654321"
SUBSCRIBER = "+84900000001"


@dataclass
class Answer:
    """A response of the server."""

    status: int
    text: str

    def header(self, name: str) -> str | None:
        found = re.search(rf"^{re.escape(name)}\s*:\s*(.*?)\r?$", self.text, re.M | re.I)
        return found[1] if found else None

    @property
    def sdp(self) -> str:
        return self.text.partition("\r\n\r\n")[2]

    @property
    def lines(self) -> list[str]:
        """Each media line with its attributes."""
        return re.split(r"(?m)^(?=m=)", self.sdp)[1:]

    @property
    def ports(self) -> list[int]:
        return [int(port) for port in re.findall(r"^m=\S+ (\d+)", self.sdp, re.M)]

    @property
    def directions(self) -> list[str]:
        found = [re.search(r"^a=(recvonly|inactive|sendonly)", one, re.M) for one in self.lines]
        return [hit[1] if hit else "" for hit in found]

    @property
    def labels(self) -> list[str]:
        found = [re.search(r"^a=label:(\S+)", one, re.M) for one in self.lines]
        return [hit[1] if hit else "" for hit in found]


@dataclass(eq=False)
class Leg:
    """One stream that the client sends."""

    label: str | None
    direction: str = "sendonly"
    payloads: str = "8 0"
    kind: str = "audio"
    protocol: str = "RTP/AVP"
    is_closed: bool = False
    host: str = "127.0.0.1"
    sock: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((self.host, 0))

    def sdp(self) -> str:
        names = {
            "8": "PCMA/8000", "0": "PCMU/8000", "9": "G722/8000", "101": "telephone-event/8000",
            "18": "G729/8000", "96": "opus/48000/2",
        }  # fmt: skip
        port = 0 if self.is_closed else self.sock.getsockname()[1]
        maps = "".join(f"a=rtpmap:{n} {names[n]}\r\n" for n in self.payloads.split() if n in names)
        label = "" if self.label is None else f"a=label:{self.label}\r\n"
        direction = f"a={self.direction}\r\n" if self.direction else ""
        return f"m={self.kind} {port} {self.protocol} {self.payloads}\r\n{maps}{label}{direction}"

    async def say(self, hertz: float, seconds: float, to: tuple[str, int]) -> None:
        """A tone, in real time."""
        ssrc, first = self.sock.getsockname()[1], int(self.payloads.split()[0])
        sound = packets(
            tone(hertz, seconds),
            ssrc=ssrc,
            payload_type=first,
            encoding="PCMU" if first == 0 else "PCMA",
        )
        await play(self.sock, to, on_time(sound))


def metadata(
    labels: Sequence[str] = ("1", "2"),
    numbers: Sequence[str] = (CALLER, SUBSCRIBER),
    session: str = "c2Vzc2lvbg==",
    mode: str = "complete",
) -> str:
    """Each label is sent by the participant of the same place."""
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>",
        f"<datamode>{mode}</datamode>",
        f'<session session_id="{session}"/>',
    ]
    for place, number in enumerate(numbers, 1):
        out.append(
            f'<participant participant_id="p{place}"><nameID aor="sip:{number}@op.example">'
            f'<name xml:lang="vi">Người {place}</name></nameID></participant>'
        )
    for place, label in enumerate(labels, 1):
        out.append(
            f'<stream stream_id="s{place}" session_id="{session}"><label>{label}</label></stream>'
        )
        out.append(
            f'<participantstreamassoc participant_id="p{place}"><send>s{place}</send>'
            "</participantstreamassoc>"
        )
    return "\r\n".join([*out, "</recording>"])


def multipart(
    sdp: str | None, xml: str | None, boundary: str = "OSS-42", *, is_sdp_first: bool = True
) -> bytes:
    """RFC 7866's body, in either order."""
    parts = []
    if sdp is not None:
        parts.append(f"Content-Type: application/sdp\r\n\r\n{sdp}")
    if xml is not None:
        parts.append(
            "Content-Type: application/rs-metadata+xml\r\n"
            f"Content-Disposition: recording-session\r\n\r\n{xml}"
        )
    if not is_sdp_first:
        parts.reverse()
    whole = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    return whole.encode()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._take(data)


class RecordingClient:
    """``async with RecordingClient(host, port) as client: await client.call()``"""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        transport: str = "udp",
        legs: Sequence[Leg] | None = None,
        local: str = "127.0.0.1",
        extra: str = "Require: siprec\r\n",
        from_header: str = "<sip:src@op.example>",
        user: str = "srs",
    ) -> None:
        number = next(_numbers)
        self.host, self.port, self.transport, self.local = host, port, transport, local
        self.shown = f"[{local}]" if ":" in local else local
        self.legs = list(legs) if legs is not None else [Leg("1"), Leg("2")]
        self.extra, self.from_header, self.user = extra, from_header, user
        self.random = random.Random(number)
        self.call_id = f"rec-{number}-{self.random.getrandbits(40):x}"
        self.from_tag, self.to_tag, self.cseq, self.version = f"f{number}", "", 0, 0
        self.branch = self.invite_branch = ""
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.every: list[Answer] = []
        self.requests: asyncio.Queue[str] = asyncio.Queue()
        self.answers_requests = True
        self.feature = ";+sip.src"
        self.last_invite = b""
        self.ports: list[int] = []
        self.left: list[Leg] = []

    def replace(self, place: int, leg: Leg) -> None:
        """Another stream takes the place of one."""
        self.left.append(self.legs[place])
        self.legs[place] = leg

    async def __aenter__(self) -> "RecordingClient":
        loop = asyncio.get_running_loop()
        self._buffer = b""
        if self.transport == "udp":
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._hear), (self.local, 0)
            )
            self.sip_port = self._udp.get_extra_info("sockname")[1]
            self._reader = None
        else:
            stream, self._writer = await asyncio.open_connection(
                self.host, self.port, local_addr=(self.local, 0)
            )
            self.sip_port = self._writer.get_extra_info("sockname")[1]
            self._reader = asyncio.create_task(self._read(stream))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._writer.close()
        else:
            self._udp.close()
        for leg in {*self.legs, *self.left}:
            leg.sock.close()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(65_536):
            self._buffer = (self._buffer + data).lstrip(b"\r\n")
            while b"\r\n\r\n" in self._buffer:
                head, _, rest = self._buffer.partition(b"\r\n\r\n")
                length = re.search(rb"(?im)^Content-Length:\s*(\d+)", head)
                size = int(length[1]) if length else 0
                if len(rest) < size:
                    break
                self._buffer = rest[size:]
                self._hear(head + b"\r\n\r\n" + rest[:size])

    def _hear(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        if not text.startswith("SIP/2.0 "):
            if self.answers_requests:
                copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq):.*?(?=\r$)", text, re.M | re.I)
                lines = "\r\n".join(copied)
                self.send(f"SIP/2.0 200 OK\r\n{lines}\r\nContent-Length: 0\r\n\r\n".encode())
            self.requests.put_nowait(text)
            return
        answer = Answer(int(text[8:11]), text)
        self.every.append(answer)
        if answer.status >= 200:
            self.answers.put_nowait(answer)

    def send(self, data: bytes) -> None:
        if self.transport == "udp":
            self._udp.sendto(data, (self.host, self.port))
        else:
            self._writer.write(data)

    # --- messages ------------------------------------------------------------------------------

    def sdp(self) -> str:
        self.version += 1
        return (
            f"v=0\r\no=src 1 {self.version} IN IP4 127.0.0.1\r\ns=-\r\n"
            f"c=IN IP4 127.0.0.1\r\nt=0 0\r\n" + "".join(leg.sdp() for leg in self.legs)
        )

    def request(
        self,
        method: str,
        body: bytes = b"",
        kind: str = "multipart/mixed;boundary=OSS-42",
        *,
        extra: str = "",
        branch: str = "",
        cseq: int | None = None,
    ) -> bytes:
        """The bytes of a request; sends nothing."""
        if cseq is None and method not in ("ACK", "CANCEL"):
            self.cseq += 1
        self.branch = branch or f"z9hG4bK{self.random.getrandbits(48):x}"
        via = f"SIP/2.0/{self.transport.upper()} {self.shown}:{self.sip_port}"
        text = (
            f"{method} sip:{self.user}@srs.example SIP/2.0\r\n"
            f"Via: {via};rport;branch={self.branch}\r\n"
            f"From: {self.from_header};tag={self.from_tag}\r\n"
            f"To: <sip:{self.user}@srs.example>{self.to_tag}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {cseq or self.cseq} {method}\r\n"
            f"Max-Forwards: 70\r\n"
            f"Contact: <sip:src@{self.shown}:{self.sip_port}>{self.feature}\r\n{extra}"
        )
        if body:
            text += f"Content-Type: {kind}\r\n"
        head = f"{text}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("utf-8", "surrogateescape") + body

    async def final(self, within_s: float = 10.0) -> Answer:
        async with asyncio.timeout(within_s):
            return await self.answers.get()

    async def asked(self, method: str, within_s: float = 10.0) -> str:
        """The next request of the server of that method."""
        async with asyncio.timeout(within_s):
            while True:
                text = await self.requests.get()
                if text.startswith(method):
                    return text

    def invite(
        self,
        body: bytes | None = None,
        kind: str = "multipart/mixed;boundary=OSS-42",
        *,
        extra: str | None = None,
    ) -> None:
        content = multipart(self.sdp(), metadata()) if body is None else body
        extra = self.extra if extra is None else extra
        self.last_invite = self.request("INVITE", content, kind, extra=extra)
        self.invite_branch = self.branch
        self.send(self.last_invite)

    def ack(self, body: bytes = b"", kind: str = "application/sdp") -> None:
        self.send(self.request("ACK", body, kind, cseq=self.cseq))

    async def call(
        self,
        body: bytes | None = None,
        kind: str = "multipart/mixed;boundary=OSS-42",
        *,
        extra: str | None = None,
        ack: bool = True,
    ) -> Answer:
        """INVITE or re-INVITE, final response, ACK."""
        self.invite(body, kind, extra=extra)
        answer = await self.final()
        if answer.status < 300:
            found = re.search(r"^To:.*?(;tag=[^\s;]+)", answer.text, re.M | re.I)
            assert found is not None, answer.text
            self.to_tag = found[1]
            if answer.sdp:
                self.ports = answer.ports
            if ack:
                self.ack()
        else:
            tag = re.search(r"^To:.*?(;tag=[^\s;]+)", answer.text, re.M | re.I)
            kept, self.to_tag = self.to_tag, tag[1] if tag else self.to_tag
            self.send(self.request("ACK", branch=self.invite_branch, cseq=self.cseq))
            self.to_tag = kept
        return answer

    async def ask(
        self,
        method: str,
        body: bytes = b"",
        kind: str = "multipart/mixed;boundary=OSS-42",
        *,
        extra: str = "",
    ) -> Answer:
        self.send(self.request(method, body, kind, extra=extra))
        return await self.final()

    async def hang_up(self) -> Answer:
        return await self.ask("BYE")

    async def say(self, seconds: float, hertz: Sequence[float] = (440.0, 1000.0)) -> None:
        """A tone on every open leg at once."""
        await asyncio.gather(
            *(
                leg.say(hz, seconds, (self.host, port))
                for leg, port, hz in zip(self.legs, self.ports, hertz, strict=False)
                if port and not leg.is_closed
            )
        )


async def until(what: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Poll until it is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)
    return found
