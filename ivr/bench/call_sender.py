"""The other side of ``ivr bench calls``: many callers in a process of their own, on bare sockets.

``python -m ivr.bench.call_sender HOST:PORT[,HOST:PORT…] CALLS SECONDS SOUND``, where SOUND is a
file of raw A-law. Calls are placed one after another, at most four to an address; each sends 20 ms
packets from a socket of its own from its answer on. Says ``ready`` when every call is up, ``over``
SECONDS later, and last one JSON object: what was sent and how late.
"""

import itertools
import json
import re
import selectors
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ivr.media.rtp import RtpPacket, pack_rtp

HERE: Final = "127.0.0.1"
FRAME_S: Final = 0.02
FRAME_BYTES: Final = 160
SETUP_PER_S: Final = 12
CALLS_AN_ADDRESS: Final = 4
ANSWER_S: Final = 10.0
PCMA: Final = 8
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):[^\r\n]*", re.MULTILINE)
_CALL = re.compile(rb"^Call-ID: calls-(\d+)", re.MULTILINE)


@dataclass
class Caller:
    """One call: its media socket, where it sends, what it has sent."""

    number: int
    to: tuple[str, int]
    sock: socket.socket
    tag: str = ""
    status: int = 0
    media: tuple[str, int] = ("", 0)
    sent: int = 0
    is_over: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


class Sender:
    """Signalling on one socket, one thread that reads it, one that sends sound."""

    def __init__(self, sound: bytes) -> None:
        self._frames = [
            sound[at : at + FRAME_BYTES] for at in range(0, len(sound) - FRAME_BYTES, FRAME_BYTES)
        ]
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind((HERE, 0))
        self.calls: list[Caller] = []
        self.talking: list[Caller] = []
        self.late_s = 0.0
        self.ended_early = 0
        self._is_over = False

    def place(self, number: int, to: tuple[str, int]) -> None:
        """INVITE, final answer, ACK."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((HERE, 0))
        call = Caller(number, to, sock)
        self.calls.append(call)
        where = f"IN IP4 {HERE}"
        body = (
            f"v=0\r\no=- 1 1 {where}\r\ns=-\r\nc={where}\r\nt=0 0\r\n"
            f"m=audio {sock.getsockname()[1]} RTP/AVP {PCMA}\r\na=ptime:20\r\n"
        )
        self._request(call, "INVITE", 1, body)
        if call.answered.wait(ANSWER_S):
            self._request(call, "ACK", 1)
        if call.status == 200:
            self.talking.append(call)

    def _request(self, call: Caller, method: str, cseq: int, body: str = "") -> None:
        port = self._sip.getsockname()[1]
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} sip:bench@{call.to[0]}:{call.to[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HERE}:{port};branch=z9hG4bK{method}{call.number}\r\n"
            f"From: <sip:098765{call.number:04d}@{HERE}>;tag=f{call.number}\r\n"
            f"To: <sip:bench@{HERE}>{call.tag}\r\nCall-ID: calls-{call.number}\r\n"
            f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:c@{HERE}:{port}>\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._sip.sendto(text.encode(), call.to)

    def listen(self) -> None:
        """Read answers; a BYE of the other side is answered and counted."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._sip, selectors.EVENT_READ)
            while not self._is_over:
                if ready.select(0.1):
                    self._hear(*self._sip.recvfrom(65_535))

    def _hear(self, data: bytes, source: tuple[str, int]) -> None:
        found = _CALL.search(data)
        call = self.calls[int(found[1])] if found else None
        if call is None:
            return
        if not data.startswith(b"SIP/2.0 "):
            if not call.is_over and data.startswith(b"BYE"):
                call.is_over = True
                self.ended_early += 1
            head = b"\r\n".join([b"SIP/2.0 200 OK", *_COPIED.findall(data)])
            self._sip.sendto(head + b"\r\nContent-Length: 0\r\n\r\n", source)
        elif b"INVITE" in data and (status := int(data[8:11])) >= 200 and not call.status:
            text = data.decode("utf-8", "replace")
            tag = re.search(r"^To:[^\r\n]*(;tag=[^\s;]+)", text, re.MULTILINE)
            port = re.search(r"^m=audio (\d+)", text, re.MULTILINE)
            host = re.search(r"^c=IN IP4 (\S+)", text, re.MULTILINE)
            call.tag = tag[1] if tag else ""
            if port and host:
                call.media = (host[1], int(port[1]))
            call.status = status
            call.answered.set()

    def talk(self) -> None:
        """Every call's next packet, every 20 ms."""
        began_s = time.monotonic()
        for count in itertools.count(1):
            for call in self.talking:
                if not call.is_over:
                    self._send_frame(call)
            wait_s = began_s + count * FRAME_S - time.monotonic()
            if self._is_over:
                return
            if wait_s > 0:
                time.sleep(wait_s)
            else:
                self.late_s = max(self.late_s, -wait_s)

    def _send_frame(self, call: Caller) -> None:
        number = call.sent
        payload = self._frames[number % len(self._frames)]
        stamp = number * FRAME_BYTES % 2**32
        packet = RtpPacket(PCMA, number % 2**16, stamp, call.number + 1, payload, number == 0)
        call.sock.sendto(pack_rtp(packet), call.media)
        call.sent += 1

    def finish(self) -> None:
        """Stop talking, hang up, stop listening."""
        talking, self.talking = self.talking, []
        time.sleep(0.3)  # what was sent is received
        for call in talking:
            if not call.is_over:
                call.is_over = True
                self._request(call, "BYE", 2)
                time.sleep(0.002)
        time.sleep(0.5)
        self._is_over = True

    def told(self) -> dict[str, object]:
        answered = [call for call in self.calls if call.status == 200]
        return {
            "placed": len(self.calls),
            "answered": len(answered),
            "refused": [call.status for call in self.calls if call.status != 200],
            "ended_early": self.ended_early,
            "sent": {f"calls-{call.number}": call.sent for call in answered},
            "late_ms": round(1000 * self.late_s, 1),
        }


def send(addresses: list[tuple[str, int]], calls: int, seconds: float, sound: bytes) -> None:
    sender = Sender(sound)
    threads = [threading.Thread(target=work) for work in (sender.listen, sender.talk)]
    for thread in threads:
        thread.start()
    for number in range(calls):
        sender.place(number, addresses[number // CALLS_AN_ADDRESS])
        time.sleep(1 / SETUP_PER_S)
    sender.late_s = 0.0
    _say("ready")
    time.sleep(seconds)
    _say("over")
    sender.finish()
    for thread in threads:
        thread.join()
    _say(json.dumps(sender.told()))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    where, calls, seconds, sound = sys.argv[1:]
    addresses = [
        (host, int(port)) for host, _, port in (one.rpartition(":") for one in where.split(","))
    ]
    send(addresses, int(calls), float(seconds), Path(sound).read_bytes())


if __name__ == "__main__":
    main()
