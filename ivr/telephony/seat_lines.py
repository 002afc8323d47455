"""The calls of one worker as the pool knows them: made, told what happens to them, closed."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ivr.clock import Clock
from ivr.errors import TelephonyError
from ivr.facts.call import Blame, CallClosed, Dtmf, MediaAgreed, Pickup, Signalling
from ivr.telemetry import logger
from ivr.telephony.channel import Message
from ivr.telephony.leg import SipLeg
from ivr.telephony.line import SipLine, SubscriberLine
from ivr.telephony.offer import read_offer
from ivr.telephony.worker_config import WorkerConfig

ENDED_LINES = 8

log = logger("ivr.telephony")


class SeatLines:
    """Lines by the worker's serial number.

    Args:
        send: hands a command to the worker that is there now.
        take: offers a new line; returns False when nobody takes it.
    """

    def __init__(
        self,
        config: WorkerConfig,
        clock: Clock,
        send: Callable[[Message], None],
        take: Callable[[SipLine], bool],
    ) -> None:
        self.lines: dict[int, SipLeg] = {}
        self._may_call = frozenset(config.may_call)
        self._retry_after_s = config.retry_after_s
        self._clock = clock
        self._send = send
        self._take_line = take
        self._ended: OrderedDict[int, SipLeg] = OrderedDict()  # their last messages still come
        self._started_ns: dict[int, int] = {}

    def tell(self, message: Message) -> None:
        """A worker's fact of a call; facts of one that is over are passed by."""
        if message["type"] == "incoming":
            self._admit(message)
        elif (line := self.lines.get(message["serial"])) is not None:
            self._tell(line, message)
        elif message["type"] == "signalling" and (ended := self._ended.get(message["serial"])):
            ended.signalled(_signalling(message))

    def close_all(self, reason: str) -> None:
        """Every call of this place is over."""
        for serial in tuple(self.lines):
            began_ns = self._started_ns.get(serial)
            spoken_ns = self._clock.monotonic_ns() - began_ns if began_ns is not None else 0
            self._close(serial, Blame.US, reason, 0, round(spoken_ns / 1e9, 3), Pickup.UNREACHABLE)

    def enrol(self, line: SubscriberLine, target: str) -> None:
        """Take in a line that is about to be dialled.

        Raises:
            TelephonyError: the target is not on the list.
        """
        if target not in self._may_call:
            raise TelephonyError(
                "The agent may not call this address.",
                why="it is neither a subscriber's contact nor a configured number",
                remedy="Set `contact` of the subscriber in the settings and start again.",
            )
        self.lines[line.serial] = line

    def _admit(self, message: Message) -> None:
        host, port = message["source"]
        raw = message["raw"].encode("utf-8", "surrogateescape")
        offer = read_offer(raw, (host, port), message["transport"], self._clock.now())
        line = SipLine(message["serial"], offer, self._send, self.enrol)
        if self._take_line(line):
            self.lines[line.serial] = line
        else:
            self._send(_unavailable(line.serial, self._retry_after_s))

    def _tell(self, line: SipLeg, message: Message) -> None:
        kind = message["type"]
        if kind == "confirmed" and isinstance(line, SipLine | SubscriberLine):
            self._started_ns[line.serial] = self._clock.monotonic_ns()
            line.confirmed()
        elif kind == "ringing" and isinstance(line, SubscriberLine):
            line.ringing()
        elif kind == "signalling":
            line.signalled(_signalling(message))
        elif kind == "media":
            line.push(_media(message))
        elif kind == "dtmf":
            line.push(Dtmf(message["digit"], message["at_s"], message["method"]))
        elif kind == "played":
            line.played(message["play"], None)
        elif kind == "command_failed":
            self._command_failed(line, message)
        elif kind == "media_failed":
            self._send({"type": "hang_up", "serial": line.serial, "reason": "media failed"})
        elif kind == "closed":
            self._closed(line.serial, message)

    def _command_failed(self, line: SipLeg, message: Message) -> None:
        log.warning("command failed", command=message["command"], pii_detail=message["detail"])
        if message["command"] == "play":
            line.played(message["play"], message["detail"])
        elif message["command"] == "answer":
            self._send({"type": "hang_up", "serial": line.serial, "reason": message["detail"]})

    def _closed(self, serial: int, message: Message) -> None:
        blame, reason = Blame(message["blame"]), message["reason"]
        status, duration_s = message["status"], message["duration_s"]
        pickup = Pickup(message.get("pickup", Pickup.ANSWERED))
        self._close(serial, blame, reason, status, duration_s, pickup)

    def _close(
        self,
        serial: int,
        blame: Blame,
        reason: str,
        status: int,
        duration_s: float,
        pickup: Pickup,
    ) -> None:
        self._started_ns.pop(serial, None)
        line = self._ended[serial] = self.lines.pop(serial)
        if len(self._ended) > ENDED_LINES:
            self._ended.popitem(last=False)
        end = CallClosed(blame, reason, status, duration_s, self._clock.now())
        if isinstance(line, SubscriberLine):
            line.close_as(pickup, end)
        else:
            line.close(end)


def _unavailable(serial: int, retry_after_s: int) -> Message:
    return {
        "type": "refuse",
        "serial": serial,
        "status": 503,
        "reason": "Service Unavailable",
        "retry_after_s": retry_after_s,
    }


def _signalling(message: Message) -> Signalling:
    host, port = message["peer"]
    raw = message["raw"].encode("utf-8", "surrogateescape")
    return Signalling(message["at_ns"], message["is_sent"], (host, port), raw, message["is_last"])


def _media(message: Message) -> MediaAgreed:
    payload_types: dict[str, Any] = message["payload_types"]
    return MediaAgreed(
        remote=(message["remote"][0], message["remote"][1]),
        signalled_from=message["signalled_from"],
        agent=(message["agent"][0], message["agent"][1]),
        payload_types={int(number): (name, rate) for number, (name, rate) in payload_types.items()},
        direction=message["direction"],
    )
