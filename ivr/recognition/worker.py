"""One recognition process: several legs on one thread, a block of sound each in turn.

One thread and no locks: calls into Kaldi from two threads at the wrong moment abort the process.
Live legs go before recordings; a recording still gets every tenth turn.
"""

import json
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

from ivr.errors import RecognitionError
from ivr.recognition import protocol
from ivr.recognition.engine import Engine
from ivr.recognition.lane import Heard, Lane, LaneSettings
from ivr.recognition.protocol import Kind, Opening, Report

READ_BYTES = 1 << 16
INBOX_MESSAGES = 4096
"""When a leg has more waiting it is not read from: its sender waits, and drops."""
OUTBOX_BYTES = 1 << 18
"""A peer that does not read so much is gone; it must not hold up the other legs."""
TURN_S = 0.2
BEAT_S = 0.5
RECORDING_TURN = 10


class LegConnection:
    """One leg: its socket, what waits in either direction, and its lane."""

    def __init__(self, sock: socket.socket, engine: Engine, settings: LaneSettings) -> None:
        self.sock = sock
        self._engine = engine
        self._settings = settings
        self._buffer = bytearray()
        self.inbox: deque[tuple[Kind, bytes]] = deque()
        self.outbox = bytearray()
        self._lane: Lane | None = None
        self._samples = 0
        self.is_live = True
        self.is_done = False

    def read(self) -> None:
        """Raises:
        ConnectionError: the peer is gone, or speaks something else.
        """
        data = self.sock.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the leg's owner is gone")
        self._buffer += data
        try:
            self.inbox.extend(protocol.split_messages(self._buffer))
        except ValueError as problem:
            raise ConnectionAbortedError(str(problem)) from problem

    def write(self) -> None:
        sent = self.sock.send(self.outbox)
        del self.outbox[:sent]

    def work(self) -> None:
        """One turn: up to 0.2 s of sound, then one report."""
        heard: list[Heard] = []
        until = self._samples + TURN_S * (self._lane.rate_hz if self._lane else 0)
        try:
            while self.inbox and not self.is_done:
                kind, body = self.inbox.popleft()
                heard += self._handle(kind, body)
                if self._samples >= until:
                    break
        except RecognitionError as problem:
            self.is_done = True
            self._report(Report(self._samples, 0, 0, tuple(heard), error=problem.as_dict()))
            return
        lane = self._lane
        self._report(
            Report(
                self._samples,
                lane.settled if lane else 0,
                lane.next_index if lane else 0,
                tuple(heard),
                self.is_done,
            )
        )

    def _report(self, report: Report) -> None:
        self.outbox += protocol.encode(report)
        if len(self.outbox) > OUTBOX_BYTES:
            raise ConnectionAbortedError("the leg's owner does not read")

    def _handle(self, kind: Kind, body: bytes) -> list[Heard]:
        if kind is Kind.OPEN:
            opening = Opening(**json.loads(body))
            self.is_live = opening.is_live
            self._lane = Lane(self._engine, opening.rate_hz, self._settings, opening.first_index)
            return []
        if self._lane is None:
            raise ConnectionAbortedError("the leg was not opened")
        if kind is Kind.AUDIO:
            (offset,) = protocol.OFFSET.unpack_from(body)
            pcm = body[protocol.OFFSET.size :]
            heard = list(self._lane.hear(offset, pcm))
            self._samples += len(pcm) // 2
            return heard
        if kind is Kind.STALL:
            return list(self._lane.assume_silence())
        self.is_done = True
        return list(self._lane.finish())


class Worker:
    """Args:
    engine: loaded before the fork, so its memory is shared.
    listener: where ears connect; outlives the worker in the host, so that ears that come while
        a worker is replaced wait instead of being refused.
    beat: pipe to the host; silence on it means that this process hangs.
    """

    def __init__(
        self, engine: Engine, settings: LaneSettings, listener: socket.socket, beat: int
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._listener = listener
        self._beat = beat
        self._last_beat = 0.0
        self._selector = selectors.DefaultSelector()
        self._legs: deque[LegConnection] = deque()
        self._turns = 0

    def run(self) -> None:
        """Serves until the process is killed."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while True:
            is_busy = any(leg.inbox for leg in self._legs)
            for key, events in self._selector.select(0 if is_busy else BEAT_S):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._exchange(key.data, events)
            self._show_life()
            leg = self._next_leg()
            if leg is not None:
                self._guarded(leg, leg.work)

    def _show_life(self) -> None:
        now = time.monotonic()
        if now - self._last_beat >= BEAT_S:
            self._last_beat = now
            os.write(self._beat, b".")

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return  # the peer went away between select and accept
        sock.setblocking(False)
        leg = LegConnection(sock, self._engine, self._settings)
        self._legs.append(leg)
        self._selector.register(sock, selectors.EVENT_READ, leg)

    def _exchange(self, leg: LegConnection, events: int) -> None:
        if events & selectors.EVENT_READ and len(leg.inbox) < INBOX_MESSAGES:
            self._guarded(leg, leg.read)
        if events & selectors.EVENT_WRITE and leg in self._legs:
            self._guarded(leg, leg.write)

    def _guarded(self, leg: LegConnection, action: Callable[[], None]) -> None:
        """A leg whose peer went away is closed; the others go on."""
        try:
            action()
        except BlockingIOError:
            pass  # the socket was not ready after all: select tells again
        except ConnectionError:
            self._close(leg)
            return
        if leg.is_done and not leg.outbox:
            self._close(leg)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if leg.outbox else 0)
        if self._selector.get_key(leg.sock).events != wanted:
            self._selector.modify(leg.sock, wanted, leg)

    def _close(self, leg: LegConnection) -> None:
        self._legs.remove(leg)
        self._selector.unregister(leg.sock)
        leg.sock.close()

    def _next_leg(self) -> LegConnection | None:
        """Round robin over the legs that have sound waiting."""
        waiting = [leg for leg in self._legs if leg.inbox and not leg.is_done]
        live = [leg for leg in waiting if leg.is_live]
        self._turns += 1
        if self._turns % RECORDING_TURN == 0:
            live = [leg for leg in waiting if not leg.is_live] or live
        if not waiting:
            return None
        chosen = (live or waiting)[0]
        self._legs.remove(chosen)
        self._legs.append(chosen)
        return chosen
