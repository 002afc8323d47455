"""A worker process: one pj thread, four calls. ``python -m ivr.telephony.worker --fd N``.

The main thread creates the Endpoint, pumps its events, executes commands and sends facts; no
other thread touches pj. It is started by ``ivr.telephony.pool``, speaks over the socket it
inherits, and dies by itself when that socket closes, so no orphan keeps a port or a call.
"""

import argparse
import faulthandler
import os
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pjsua2 as pj

from ivr.facts.call import Blame
from ivr.sip.message import parse
from ivr.telephony import admission, pj_endpoint, source_filter
from ivr.telephony.channel import BrokenChannel, Decoder, Message, encode
from ivr.telephony.pj_call import AgentCall, Owner
from ivr.telephony.pj_gate import Gate
from ivr.telephony.pj_offer import HiddenMedia
from ivr.telephony.pj_player import Prompt, RestingPlace
from ivr.telephony.sdp import split_host_port
from ivr.telephony.worker_config import ALIVE_EVERY_S, WorkerConfig

_PUMP_MS = 10
_MAX_UNSENT_BYTES = 4 << 20
"""Facts that wait because the pool does not read. More means that nobody steers us: we end."""
_GOODBYE_S = 1.0


class _Account(pj.Account):  # type: ignore[misc]  # pjsua2 carries no type stubs
    """Its one account takes every call, whatever the request URI."""

    def __init__(self, make_call: Callable[[Any, int, Any], None]) -> None:
        super().__init__()
        self._make_call = make_call

    def onIncomingCall(self, prm: Any) -> None:
        try:
            self._make_call(self, prm.callId, prm.rdata)
        except Exception as problem:  # noqa: BLE001 - an exception in a callback keeps pj objects
            sys.stderr.write(f"ivr worker: incoming call failed: {type(problem).__name__}\n")

    def onIncomingSubscribe(self, prm: Any) -> None:
        prm.code = 489  # no presence here


class Worker:
    """The loop and what it owns."""

    def __init__(self, channel: socket.socket, config: WorkerConfig) -> None:
        self._channel = channel
        self._decoder = Decoder()
        self._unsent = bytearray()
        self._config = config
        self._calls: dict[int, AgentCall] = {}
        self._arrived: deque[tuple[int, str]] = deque()
        self._serial = 0
        self._is_running = True
        self._alive_at = 0.0
        self._resting = RestingPlace()
        self._stack = pj_endpoint.start(
            config.bind, config.port, config.user_agent, config.transaction_timeout_s
        )
        self._hidden = HiddenMedia(self._stack.library)
        self._hidden.register()
        self._owner = Owner(self._emit, self._forget, self._resting.lay, self._hidden.real)
        self._gate = Gate(self._stack.library, config.retry_after_s)
        if not self._gate.register():
            self._log("gate not registered: a full worker answers 486", "")
        try:
            source_filter.attach(self._stack.port, config.allow_from)
        except OSError as problem:
            self._log("no socket filter: strangers are refused one by one", str(problem))
        self._account: Any = _Account(self._make_call)
        uri = f"sip:ivr@{config.bind}:{self._stack.port}"
        self._account.create(pj_endpoint.account_config(uri, "127.0.0.1"), True)
        self._emit({"type": "ready", "port": self._stack.port})

    def run(self) -> None:
        """Until the pool says ``stop`` or its end of the channel closes."""
        while self._is_running:
            self._stack.endpoint.libHandleEvents(_PUMP_MS)
            self._admit()
            self._receive()
            self._tend()
            self._send()
        self._say_goodbye()

    # --- arrivals ------------------------------------------------------------------------------

    def _make_call(self, account: Any, call_id: int, rdata: Any) -> None:
        """Inside pj's callback: wrap the call, decide later."""
        self._serial += 1
        call = AgentCall(account, call_id, self._serial, self._owner)
        call.source = rdata.srcAddress
        self._calls[call.serial] = call
        self._arrived.append((call.serial, rdata.wholeMsg))

    def _admit(self) -> None:
        while self._arrived:
            serial, text = self._arrived.popleft()
            call = self._calls.get(serial)
            if call is None:  # cancelled in the same breath
                continue
            raw = text.encode("utf-8", "surrogateescape")
            host, port = split_host_port(call.source)
            message = parse(raw)
            refused = admission.refusal(
                message, len(raw), host, self._config.allow_from, call.is_sdp_unreadable
            )
            if refused is not None:
                self._log("refused before admission", f"{refused.status} {refused.reason}")
                call.is_announced = False
                call.refuse(refused.status, refused.reason, None)
                continue
            via = message.first("Via") or ""
            self._emit(
                {
                    "type": "incoming",
                    "serial": serial,
                    "raw": text,
                    "source": (host, port),
                    "transport": "tcp" if "/TCP" in via[:16].upper() else "udp",
                }
            )

    def _forget(self, serial: int) -> None:
        self._calls.pop(serial, None)

    # --- commands ------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            data = self._channel.recv(1 << 16)
            messages = self._decoder.feed(data)
        except BlockingIOError:
            return
        except (OSError, BrokenChannel):
            self._is_running = False
            return
        if not data:
            self._is_running = False
        for message in messages:
            self._execute(message)

    def _execute(self, message: Message) -> None:
        kind = message["type"]
        if kind == "stop":
            self._is_running = False
        elif kind == "drain":
            self._gate.is_draining = True
        else:
            call = self._calls.get(message["serial"])
            if call is None:  # it ended while the command was on its way
                return
            try:
                self._command(call, kind, message)
            except pj.Error as problem:
                self._emit(
                    {
                        "type": "command_failed",
                        "serial": message["serial"],
                        "command": kind,
                        "play": message.get("play"),
                        "detail": problem.reason,
                    }
                )

    def _command(self, call: AgentCall, kind: str, message: Message) -> None:
        if kind == "ring":
            call.ring()
        elif kind == "answer":
            call.accept(message["host"], message["port"])
        elif kind == "refuse":
            call.refuse(message["status"], message["reason"], message["retry_after_s"])
        elif kind == "play":
            call.play(Prompt(message["play"], Path(message["wav"]), message["duration_s"]))
        elif kind == "stop_play":
            if call.prompt is not None and call.prompt.play == message["play"]:
                call.stop_prompt()
        elif kind == "hang_up":
            call.end(Blame.US, message["reason"])

    # --- time ----------------------------------------------------------------------------------

    def _tend(self) -> None:
        now = time.monotonic_ns()
        for call in tuple(self._calls.values()):
            call.report_digits()
            if call.prompt is not None and call.prompt.is_over:
                call.stop_prompt()
            self._enforce(call, now)
            del call  # a loop variable must not outlive its call
        self._resting.sweep()
        if now / 1e9 - self._alive_at >= ALIVE_EVERY_S:
            self._alive_at = now / 1e9
            self._emit({"type": "alive", "slots": self._gate.calls, "refused": self._gate.refused})

    def _enforce(self, call: AgentCall, now: int) -> None:
        late = admission.overdue(call.progress, now, self._config.transaction_timeout_s)
        try:
            if call.is_sdp_unreadable and call.answered_ns:
                call.end(Blame.US, "the description of media could not be led to the RTP door")
            elif late is not None:
                call.end(Blame.UPSTREAM if late.is_upstream else Blame.US, late.reason)
        except pj.Error as problem:
            self._log("call could not be ended", problem.reason)

    # --- facts ---------------------------------------------------------------------------------

    def _emit(self, message: Message) -> None:
        self._unsent += encode(message)

    def _log(self, event: str, detail: str) -> None:
        self._emit({"type": "log", "event": event, "detail": detail})

    def _send(self) -> None:
        try:
            while self._unsent:
                sent = self._channel.send(self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            if len(self._unsent) > _MAX_UNSENT_BYTES:
                self._is_running = False
        except OSError:
            self._is_running = False

    def _say_goodbye(self) -> None:
        """BYE to all, then let go of every pj object before the library goes."""
        for call in tuple(self._calls.values()):
            try:
                call.end(Blame.US, "the agent stops")
            except pj.Error:
                self._log("call could not be ended", "at the end")
            del call
        until = time.monotonic() + _GOODBYE_S
        while self._gate.calls and time.monotonic() < until:
            self._stack.endpoint.libHandleEvents(_PUMP_MS)
            self._send()
        self._calls.clear()
        self._resting.clear()
        self._account.shutdown()
        self._account = None
        self._stack.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        self._send()


def main() -> None:
    """Entry point. Exits with ``os._exit``: pj's C++ destructors abort after libDestroy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    arguments = parser.parse_args()
    os.dup2(2, 1)  # whatever a library prints must not look like a result
    faulthandler.enable()  # an assertion or a crash inside the library says where it came from
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the pool decides; its death closes the channel
    channel = socket.socket(fileno=arguments.fd)
    decoder = Decoder()
    first: list[Message] = []
    while not first:
        data = channel.recv(1 << 16)
        if not data:
            os._exit(0)
        first = decoder.feed(data)
    config = WorkerConfig.from_message(first[0])
    channel.setblocking(False)
    try:
        worker = Worker(channel, config)
    except pj_endpoint.PortInUse as problem:
        channel.sendall(encode({"type": "failed", "kind": "port", "detail": str(problem)}))
        os._exit(3)
    except pj.Error as problem:
        channel.sendall(encode({"type": "failed", "kind": "pj", "detail": problem.reason}))
        os._exit(3)
    status = 0
    try:
        worker.run()
    except Exception:  # noqa: BLE001 - the interpreter cannot unwind with pj objects alive
        traceback.print_exc()
        status = 70
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
