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
from pathlib import Path
from typing import Any

import pjsua2 as pj

from ivr.telephony import pj_endpoint, source_filter
from ivr.telephony.channel import BrokenChannel, Decoder, Message, encode
from ivr.telephony.pj_account import AgentAccount
from ivr.telephony.pj_gate import Gate
from ivr.telephony.pj_offer import HiddenMedia
from ivr.telephony.pj_refer import NoTransfers
from ivr.telephony.pj_six import SixOnTheWire
from ivr.telephony.pj_switchboard import Switchboard
from ivr.telephony.pj_trace import Trace
from ivr.telephony.worker_config import ALIVE_EVERY_S, TOLD_SOURCES, WorkerConfig

_PUMP_MS = 10
_MAX_UNSENT_BYTES = 4 << 20
"""Facts that wait because the pool does not read. More means that nobody steers us: we end."""
_GOODBYE_S = 1.0
_PAGES_PER_MB = (1 << 20) // os.sysconf("SC_PAGE_SIZE")


class Worker:
    """The loop and what it owns."""

    def __init__(self, channel: socket.socket, config: WorkerConfig) -> None:
        self._channel = channel
        self._decoder = Decoder()
        self._unsent = bytearray()
        self._is_running = True
        self._is_relieved = False
        self._alive_at = 0.0
        self._stack = pj_endpoint.start(
            config.bind, config.port, config.user_agent, config.transaction_timeout_s
        )
        hidden = HiddenMedia(self._stack.library)
        hidden.register()
        self._no_transfers = NoTransfers(self._stack.library)
        self._no_transfers.register()
        self._gate = Gate(self._stack.library, config.retry_after_s)
        own = pj_endpoint.own_uri(config.bind, self._stack.port)
        self._six = SixOnTheWire(self._stack.library) if ":" in config.bind else None
        stand_in = str if self._six is None else self._six.stand_in
        if self._six is not None:
            self._six.register()
        trace = Trace(self._stack.library, self._emit)
        self._calls = Switchboard(config, self._gate, hidden, self._emit, own, stand_in, trace)
        if not trace.register():
            self._calls.log("trace not registered: cases lack all signalling but the INVITE", "")
        hidden.is_settled = lambda: self._calls.is_settled
        if not self._gate.register():
            self._calls.log("gate not registered: a full worker answers 486", "")
        try:
            source_filter.attach(self._stack.port, config.friends)
        except OSError as problem:
            self._calls.log("no socket filter: strangers are refused one by one", str(problem))
        self._accounts: list[Any] = []
        for is_first in (True, False):  # one that takes calls, one that places them
            self._accounts.append(AgentAccount(self._calls.arrive, self._emit))
            account = pj_endpoint.account_config(own.format(user="ivr"), "127.0.0.1")
            account = account if is_first else pj_endpoint.for_requests(account, self._stack)
            self._accounts[-1].open(account, is_first=is_first)
        for registration in config.registrations:
            self._accounts.append(AgentAccount(self._calls.arrive, self._emit))
            self._accounts[-1].register(registration, own, self._stack)
        self._emit({"type": "ready", "port": self._stack.port})

    def run(self) -> None:
        """Until the pool says ``stop`` or its end of the channel closes."""
        while self._is_running:
            self._stack.endpoint.libHandleEvents(_PUMP_MS)
            self._calls.admit()
            self._receive()
            self._calls.tend()
            self._say_alive()
            self._send()
        self._say_goodbye()

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
        elif kind == "readiness":
            self._gate.is_ready = message["is_ready"]
        elif kind == "retire":
            self._retire()
        else:
            self._calls.execute(self._accounts[1], message)

    def _retire(self) -> None:
        """Make room for a successor if no call is here. Nothing is read from the network between
        this look and the end, so an INVITE over UDP comes again and finds the successor."""
        if self._calls.is_idle:
            self._is_running = False
            self._is_relieved = True
            self._emit({"type": "retired"})

    # --- facts ---------------------------------------------------------------------------------

    def _say_alive(self) -> None:
        now = time.monotonic()
        if now - self._alive_at >= ALIVE_EVERY_S:
            self._alive_at = now
            self._emit(
                {
                    "type": "alive",
                    "slots": self._gate.calls,
                    "refused": self._gate.refused,
                    "sources": self._gate.sources.top(TOLD_SOURCES),
                    "count": self._calls.count,
                    "resident_mb": _resident_mb(),
                }
            )

    def _emit(self, message: Message) -> None:
        self._unsent += encode(message)

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
        """BYE to all, then let go of every pj object before the library goes. A successor keeps
        our registration."""
        self._calls.hang_up_all()
        if not self._is_relieved:
            self._withdraw()
        until = time.monotonic() + _GOODBYE_S
        while self._has_unfinished() and time.monotonic() < until:
            self._stack.endpoint.libHandleEvents(_PUMP_MS)
            self._send()
        self._calls.clear()
        while self._accounts:
            self._accounts.pop().shutdown()
        self._stack.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        self._send()

    def _withdraw(self) -> None:
        for account in self._accounts:
            account.withdraw()

    def _has_unfinished(self) -> bool:
        registered = any(account.is_registered for account in self._accounts)
        return bool(self._gate.calls) or (registered and not self._is_relieved)


def _resident_mb() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) // _PAGES_PER_MB


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
    channel.sendall(encode({"type": "standing_by"}))
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
