"""The session recording server: messages in, mirrored calls out (RFC 7866)."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Self

from ivr.errors import SettingsError
from ivr.settings import MirrorSettings
from ivr.sip.message import SipMessage, parse
from ivr.siprec.background import Background
from ivr.siprec.calls import MirroredCalls
from ivr.siprec.correspondent import Terms
from ivr.siprec.flow import Flow
from ivr.siprec.line import MirrorLine
from ivr.siprec.replies import METHODS, SUPPORTED, Headers, Replies
from ivr.siprec.request import (
    BadRequest,
    Request,
    new_tag,
    printable,
    read_request,
    read_response,
    refusal_text,
)
from ivr.siprec.sdp import Accepts
from ivr.siprec.sockets import SipSockets
from ivr.siprec.sources import AllowedSources
from ivr.siprec.tracing import Tracing
from ivr.siprec.transactions import ServerTransaction, Timing, Transactions
from ivr.telemetry import logger

FAREWELL_S: Final = 2.0

_log = logger("ivr.siprec")


@dataclass(slots=True)
class Counters:
    """What came, since the start. ``strangers`` and retransmissions are counted where they are
    noticed; see ``RecordingServer.figures``."""

    calls: int = 0
    refused: int = 0
    malformed: int = 0
    unanswerable: int = 0
    faults: int = 0  # messages that brought a mistake of ours to light


class RecordingServer:
    """``async with RecordingServer(…) as server: async for line in server.incoming(): …``

    Args:
        accepts: whether sound of an encoding name and clock rate can be decoded.
        is_well: asked by OPTIONS and INVITE; False: 503.
        timing: T1 and T2 of SIP.
        farewell_s: how long the end of the server waits for answers to its BYEs.

    Raises (on entering):
        SettingsError: no lawful basis is stated, or a network cannot be read.
        EnvironmentProblem: the port is taken.
    """

    def __init__(
        self,
        settings: MirrorSettings,
        accepts: Accepts,
        *,
        name: str = "ivr",
        retry_after_s: int = 30,
        is_well: Callable[[], bool] = lambda: True,
        timing: Timing | None = None,
        farewell_s: float = FAREWELL_S,
    ) -> None:
        _must_have_basis(settings)
        self._settings, self._accepts, self._name = settings, accepts, name
        self._retry: Headers = (("Retry-After", str(retry_after_s)),)
        self._is_well, self._farewell_s = is_well, farewell_s
        self._sources = _sources(settings)
        self._transactions = Transactions(timing or Timing())
        self._background = Background()
        max_bytes = settings.max_message_kb * 1024
        tracing = self._tracing = Tracing()
        self._sockets = SipSockets(
            self._sources, max_bytes, self._take, self._unreadable, tracing.sent
        )
        self._calls = MirroredCalls(settings, tracing)
        self._is_draining = False
        self.counters = Counters()
        self.address = ("", 0)

    async def __aenter__(self) -> Self:
        settings = self._settings
        self.address = await self._sockets.open(settings.bind, settings.port)
        replies = Replies(self._name, settings.advertise, settings.bind, self.address[1])
        self._replies = replies
        self._calls.terms = Terms(
            self._accepts, replies, self._transactions, self._background, self._calls.gone
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._calls.lines:
            line.hang_up("the recording server is stopped")
        await self._background.finish(self._farewell_s)
        self._transactions.close()
        await self._sockets.close()

    async def incoming(self) -> AsyncIterator[MirrorLine]:
        """Calls, each with its first offer waiting in ``events``. Bounded by ``max_sessions``."""
        while True:
            yield await self._calls.waiting.get()

    def drain(self) -> None:
        """Refuse new calls from now on; see the running ones through."""
        self._is_draining = True

    @property
    def living(self) -> int:
        """Calls that are not over."""
        return len(self._calls)

    @property
    def figures(self) -> dict[str, int]:
        """Everything that is counted, by name."""
        counted = self.counters
        return {
            "calls": counted.calls,
            "living": len(self._calls),
            "refused": counted.refused,
            "malformed": counted.malformed,
            "unanswerable": counted.unanswerable,
            "faults": counted.faults,
            "strangers": self._sources.strangers,
            "repeated": self._transactions.repeated,
            "connections_refused": self._sockets.counters.connections_refused,
            "unreadable_streams": self._sockets.counters.unreadable_streams,
        }

    # --- messages --------------------------------------------------------------------------------

    def _take(self, raw: bytes, flow: Flow) -> None:
        """One message. A fault of ours in one must not keep the others out."""
        try:
            self._tracing.received(raw, flow.source, lambda: self._read(raw, flow))
        except Exception:  # noqa: BLE001 - whatever a message does to us, the server goes on
            self.counters.faults += 1
            _log.exception("siprec.message_failed", source=flow.source[0], bytes=len(raw))

    def _read(self, raw: bytes, flow: Flow) -> None:
        message = parse(raw)
        if message.status is not None:
            found = read_response(raw)
            if found is not None:
                self._transactions.take_response(found[0], found[1].branch)
            return
        try:
            request = read_request(message, raw)
        except BadRequest as problem:
            self._malformed(message, flow, problem.status, problem.reason)
            return
        if len(raw) > self._settings.max_message_kb * 1024:
            self._malformed(message, flow, 513, "Message Too Large")
        elif request.method == "ACK":
            self._acknowledge(request)
        else:
            self._request(request, flow)

    def _unreadable(self, head: bytes, flow: Flow, status: int, reason: str) -> None:
        self._malformed(parse(head), flow, status, reason)

    def _malformed(self, message: SipMessage, flow: Flow, status: int, reason: str) -> None:
        self.counters.malformed += 1
        if _is_told(count := self.counters.malformed):  # a flood must not fill the disk with words
            source = flow.source[0]
            _log.warning("siprec.malformed", source=source, status=status, why=reason, count=count)
        text = refusal_text(message, flow.source, status, reason)
        # an ACK is never answered, nor is a response, however it is spelt (RFC 3261 section 8.2)
        if text is None or message.method == "ACK" or message.method.startswith("SIP/"):
            self.counters.unanswerable += 1
        else:
            flow.answer(text[0], text[1])

    def _acknowledge(self, request: Request) -> None:
        transaction = self._transactions.find(request)
        if transaction is not None and transaction.status >= 300:
            transaction.acknowledge()
            return
        session = self._calls.find(request)
        if session is not None:
            session.acknowledge(request)

    def _request(self, request: Request, flow: Flow) -> None:
        known = self._transactions.find(request)
        if known is not None:
            self._transactions.repeated += 1
            known.again()
            return
        is_merged = self._transactions.is_merged(request)
        transaction = self._transactions.begin(request, flow)
        if transaction is None:
            self._malformed(request.message, flow, 503, "Service Unavailable")
            return
        unknown = [tag for tag in request.tokens("Require") if tag not in SUPPORTED]
        if is_merged:
            self._reply(transaction, 482, "Loop Detected")
        elif request.method == "CANCEL":
            self._cancel(transaction)
        elif unknown:
            named = printable(", ".join(unknown))
            self._reply(transaction, 420, "Bad Extension", (("Unsupported", named),))
        elif request.method not in METHODS:
            self._reply(transaction, 405, "Method Not Allowed")
        elif request.method == "OPTIONS" and not request.to_tag:
            self._options(transaction)
        elif request.method == "INVITE" and not request.to_tag:
            self._invite(transaction)
        else:
            self._inside(transaction)

    def _inside(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        session = self._calls.find(request)
        if session is None:
            self._reply(transaction, 481, "Call/Transaction Does Not Exist")
        elif request.method == "OPTIONS":
            self._reply(transaction, 200, "OK")
        else:
            if request.method == "INVITE":
                self._reply(transaction, 100, "Trying")
            session.take(transaction)

    def _cancel(self, transaction: ServerTransaction) -> None:
        invite = self._transactions.find_invite(transaction.request)
        if invite is None:
            self._reply(transaction, 481, "Call/Transaction Does Not Exist")
            return
        self._reply(transaction, 200, "OK")
        self._calls.cancel(invite)

    def _options(self, transaction: ServerTransaction) -> None:
        if not self._is_open or self._calls.is_full:
            self._reply(transaction, 503, "Service Unavailable", self._retry)
        else:
            self._reply(transaction, 200, "OK")

    def _invite(self, transaction: ServerTransaction) -> None:
        request, host = transaction.request, transaction.flow.source[0]
        partner = self._calls.partner_of(request, host)
        if partner is None and not (self._is_open and self._calls.may_begin(host)):
            self.counters.refused += 1
            _log.warning("siprec.refused", source=host, living=len(self._calls))
            self._reply(transaction, 503, "Service Unavailable", self._retry)
            return
        self._reply(transaction, 100, "Trying")
        self.counters.calls += self._calls.begin(transaction, partner) is not None

    @property
    def _is_open(self) -> bool:
        return not self._is_draining and self._is_well()

    def _reply(
        self, transaction: ServerTransaction, status: int, reason: str, headers: Headers = ()
    ) -> None:
        self._replies.send(transaction, status, reason, to_tag=new_tag(), headers=headers)


def _must_have_basis(settings: MirrorSettings) -> None:
    if not settings.lawful_basis.strip():
        raise SettingsError(
            "Mirrored calls are not taken without a lawful basis.",
            why="[mirror] lawful_basis is empty, and people on mirrored calls are told nothing",
            remedy="Write into [mirror] lawful_basis which law, order or contract allows it, who "
            "decided it and since when; every case will state it.",
        )


def _sources(settings: MirrorSettings) -> AllowedSources:
    try:
        return AllowedSources(settings.allow_from)
    except ValueError as problem:
        raise SettingsError(
            "[mirror] allow_from is not readable.",
            why=str(problem),
            remedy='Name networks like "192.0.2.0/24" or single addresses.',
        ) from problem


def _is_told(count: int) -> bool:
    """The first sixteen, then each time the number has doubled."""
    return count <= 16 or count & (count - 1) == 0
