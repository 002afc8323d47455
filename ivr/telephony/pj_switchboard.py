"""The calls of one worker: taking, dialling, joining, ending them. Lives on the pj thread.

A bridge is two calls whose bridge ports are connected with each other. Their conference slots
change with every re-INVITE, so they are connected anew whenever either side's media is agreed.
A prompt goes into one call alone: the other side does not hear it.
"""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pjsua2 as pj

from ivr.facts.call import Blame, Pickup
from ivr.sip.message import parse
from ivr.telephony import admission
from ivr.telephony.channel import Message
from ivr.telephony.pj_call import AgentCall, Owner
from ivr.telephony.pj_dialled import DialledCall
from ivr.telephony.pj_gate import Gate
from ivr.telephony.pj_media import open_audio
from ivr.telephony.pj_offer import HiddenMedia
from ivr.telephony.pj_player import Prompt, RestingPlace
from ivr.telephony.pj_trace import Trace
from ivr.telephony.sdp import split_host_port
from ivr.telephony.targets import Targets, is_showable
from ivr.telephony.worker_config import WorkerConfig

FORBIDDEN = "the agent may not call this address"


class Switchboard:
    """Keyed by serial numbers of ours: positive for calls that came, negative (chosen by the
    pool) for calls that we placed; pj re-uses its own ids.

    Args:
        emit: hands a fact to the pool.
        own_uri: our address with ``{user}`` in place of the user part.
        stand_in: what pjsua2 is told instead of a door's address.
        trace: hands on the messages of calls that are taken or placed.
    """

    def __init__(
        self,
        config: WorkerConfig,
        gate: Gate,
        hidden: HiddenMedia,
        emit: Callable[[Message], None],
        own_uri: str,
        stand_in: Callable[[str], str],
        trace: Trace,
    ) -> None:
        self._config = config
        self._gate = gate
        self._emit = emit
        self._own_uri = own_uri
        self._stand_in = stand_in
        self._trace = trace
        self._targets = Targets(config.may_call)
        self._calls: dict[int, AgentCall] = {}
        self._arrived: deque[tuple[int, str]] = deque()
        self._serial = 0
        self._dialled = 0
        self._resting = RestingPlace()
        self._owner = Owner(emit, self._forget, self._resting.lay, hidden.real, self._media_changed)

    @property
    def count(self) -> int:
        """Calls since the start, in either direction."""
        return self._serial + self._dialled

    @property
    def is_idle(self) -> bool:
        """Whether no call is alive, being set up or being buried."""
        return not self._calls and not self._arrived and not self._gate.calls

    @property
    def is_settled(self) -> bool:
        """Whether no call is between its INVITE and its ACK."""
        return not self._arrived and all(call.confirmed_ns for call in self._calls.values())

    def log(self, event: str, detail: str) -> None:
        self._emit({"type": "log", "event": event, "detail": detail})

    # --- arrivals ------------------------------------------------------------------------------

    def arrive(self, account: Any, call_id: int, rdata: Any) -> None:
        """Inside pj's callback: wrap the call, decide later."""
        self._serial += 1
        call = AgentCall(account, call_id, self._serial, self._owner)
        call.source = rdata.srcAddress
        self._calls[call.serial] = call
        self._arrived.append((call.serial, rdata.wholeMsg))

    def admit(self) -> None:
        """Refuse or announce what arrived since the last time."""
        while self._arrived:
            serial, text = self._arrived.popleft()
            call = self._calls.get(serial)
            if call is not None:  # else cancelled in the same breath
                self._admit(call, text)
            del call

    def _admit(self, call: AgentCall, text: str) -> None:
        raw = text.encode("utf-8", "surrogateescape")
        host, port = split_host_port(call.source)
        message = parse(raw)
        refused = admission.refusal(
            message, len(raw), host, self._config.allow_from, call.is_sdp_unreadable
        )
        if refused is not None:
            self._gate.sources.count(host)
            self.log("refused before admission", f"{refused.status} {refused.reason}")
            call.is_announced = False
            call.refuse(refused.status, refused.reason, None)
            return
        via = message.first("Via") or ""
        self._emit(
            {
                "type": "incoming",
                "serial": call.serial,
                "raw": text,
                "source": (host, port),
                "transport": "tcp" if "/TCP" in via[:16].upper() else "udp",
            }
        )
        self._trace.follow(message.first("Call-ID") or "", call.serial)

    def _forget(self, serial: int) -> None:
        call = self._calls.pop(serial, None)
        self._trace.ended(serial)
        if call is not None and call.partner in self._calls:
            self._calls[call.partner].partner = None

    # --- commands ------------------------------------------------------------------------------

    def execute(self, account: Any, message: Message) -> None:
        """A command of the pool for one call; one that ended meanwhile is passed over."""
        if message["type"] == "dial":
            self._dial(account, message)
            return
        call = self._calls.get(message["serial"])
        if call is None:
            return
        try:
            self._command(call, message["type"], message)
        except pj.Error as problem:
            self._emit(
                {
                    "type": "command_failed",
                    "serial": message["serial"],
                    "command": message["type"],
                    "play": message.get("play"),
                    "detail": problem.reason,
                }
            )

    def _command(self, call: AgentCall, kind: str, message: Message) -> None:
        if kind == "ring":
            call.ring()
        elif kind == "answer":
            call.accept(self._stand_in(message["host"]), message["port"])
        elif kind == "refuse":
            call.refuse(message["status"], message["reason"], message["retry_after_s"])
        elif kind == "play":
            call.play(Prompt(message["play"], Path(message["wav"]), message["duration_s"]))
        elif kind == "stop_play":
            if call.prompt is not None and call.prompt.play == message["play"]:
                call.stop_prompt()
        elif kind == "hang_up":
            call.end(Blame.US, message["reason"])
        elif kind in ("join", "part"):
            self._pair(call, message["partner"], is_joined=kind == "join")

    # --- calls of ours -------------------------------------------------------------------------

    def _dial(self, account: Any, message: Message) -> None:
        """Place a call to a target of the list; anything else is refused here, whoever asks."""
        serial, uri = message["serial"], message["target"]
        at = self._targets.address_of(uri)
        if at is None or not is_showable(message["shown"]):
            self._not_dialled(serial, Pickup.REFUSED, FORBIDDEN)
        elif not self._gate.take_place():
            self._not_dialled(serial, Pickup.NO_SLOT, "no slot of this worker is free")
        else:
            self._dialled += 1
            door = (self._stand_in(message["host"]), message["port"])
            call = DialledCall(account, serial, self._owner, door, message["ring_s"])
            self._calls[serial] = call
            try:
                call.dial(uri, self._own_uri.format(user=message["shown"]), at)
                self._trace.follow(call.getInfo().callIdString, serial)
            except pj.Error as problem:
                if self._calls.pop(serial, None) is not None:  # pj may have told its end already
                    self._not_dialled(serial, Pickup.UNREACHABLE, problem.reason)

    def _not_dialled(self, serial: int, pickup: Pickup, reason: str) -> None:
        self._emit(
            {
                "type": "closed",
                "serial": serial,
                "blame": str(Blame.US),
                "reason": reason,
                "status": 0,
                "duration_s": 0.0,
                "pickup": str(pickup),
            }
        )

    def _pair(self, call: AgentCall, partner: int, *, is_joined: bool) -> None:
        other = self._calls.get(partner)
        if other is None:
            return
        if is_joined:
            call.partner, other.partner = other.serial, call.serial
            self._media_changed(call.serial)
        elif call.partner == partner:
            call.partner = other.partner = None
            one, two = open_audio(call), open_audio(other)
            if one is not None and two is not None:
                one.stopTransmit(two)
                two.stopTransmit(one)

    def _media_changed(self, serial: int) -> None:
        """Connect a call with its partner; pj forgets a connection when a stream starts anew."""
        call = self._calls.get(serial)
        other = self._calls.get(call.partner) if call is not None and call.partner else None
        if call is None or other is None:
            return
        try:
            one, two = open_audio(call), open_audio(other)
            if one is not None and two is not None:
                one.startTransmit(two)
                two.startTransmit(one)
        except pj.Error as problem:
            self.log("calls could not be joined", problem.reason)

    # --- time ----------------------------------------------------------------------------------

    def tend(self) -> None:
        """Report keys, end prompts that are over and calls that waited too long."""
        now = time.monotonic_ns()
        for call in tuple(self._calls.values()):
            call.report_digits()
            if call.prompt is not None and call.prompt.is_over:
                call.stop_prompt()
            if not call.is_ending:
                self._enforce(call, now)
            del call  # a loop variable must not outlive its call
        self._resting.sweep()

    def _enforce(self, call: AgentCall, now: int) -> None:
        late = call.overdue(now, self._config.transaction_timeout_s)
        try:
            if call.is_sdp_unreadable and call.answered_ns:
                call.end(Blame.US, "the description of media could not be led to the RTP door")
            elif late is not None:
                call.end(Blame.UPSTREAM if late.is_upstream else Blame.US, late.reason)
        except pj.Error as problem:
            self.log("call could not be ended", problem.reason)

    # --- the end -------------------------------------------------------------------------------

    def hang_up_all(self) -> None:
        for call in tuple(self._calls.values()):
            try:
                call.end(Blame.US, "the agent stops")
            except pj.Error:
                self.log("call could not be ended", "at the end")
            del call

    def clear(self) -> None:
        """Let go of every pj object; to be called before the library goes."""
        self._calls.clear()
        self._resting.clear()
