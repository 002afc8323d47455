"""The calls of a recording server: which dialogs belong together, and how many there may be."""

import asyncio
import itertools

from ivr.settings import MirrorSettings
from ivr.siprec.body import Body, read_body
from ivr.siprec.correspondent import Terms
from ivr.siprec.facts import PairIncomplete
from ivr.siprec.line import MirrorLine
from ivr.siprec.metadata import read_metadata
from ivr.siprec.request import Request, printable
from ivr.siprec.session import Session
from ivr.siprec.sources import Rate
from ivr.siprec.tracing import Tracing
from ivr.siprec.transactions import ServerTransaction


class MirroredCalls:
    """Every living call and dialog. ``terms`` is set before the first call comes."""

    def __init__(self, settings: MirrorSettings, tracing: Tracing) -> None:
        self._settings, self._tracing = settings, tracing
        self._rate = Rate(settings.invites_per_s)
        self._sessions: dict[tuple[str, str], Session] = {}
        self._lines: dict[int, MirrorLine] = {}
        self._pairs: dict[str, MirrorLine] = {}
        self._serials = itertools.count(1)
        self.waiting: asyncio.Queue[MirrorLine] = asyncio.Queue()  # bounded by ``max_sessions``
        self.terms: Terms | None = None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def is_full(self) -> bool:
        return len(self._lines) >= self._settings.max_sessions

    @property
    def lines(self) -> tuple[MirrorLine, ...]:
        return tuple(self._lines.values())

    def find(self, request: Request) -> Session | None:
        """The dialog that a request names."""
        return self._sessions.get((request.call_id, request.to_tag))

    def partner_of(self, request: Request, host: str) -> MirrorLine | None:
        """The call whose other leg this INVITE is, in a plain fork."""
        pair = self._pair_of(request, host)
        return self._pairs.get(pair) if pair else None

    def may_begin(self, host: str) -> bool:
        """Whether a new call is within what one address and all together may do."""
        return not self.is_full and self._rate.takes(host, asyncio.get_running_loop().time())

    def begin(self, invite: ServerTransaction, partner: MirrorLine | None) -> MirrorLine | None:
        """A new dialog: of ``partner``, or of a call of its own; returns a call that is new."""
        assert self.terms is not None
        request = invite.request
        body = read_body(request.message.first("Content-Type"), request.body)
        line = partner or self._new_line(invite, body)
        hint = printable(request.message.first(self._settings.pair_leg_header) or "")
        session = Session(next(self._serials), invite, line, hint, self.terms)
        self._sessions[session.dialog.key] = session
        line.join(session)
        self._tracing.follow(request.call_id, line)
        session.begin(invite, body)
        if partner is not None or line.closed is not None:
            return None
        self.waiting.put_nowait(line)
        return line

    def cancel(self, invite: ServerTransaction) -> None:
        """The other side takes an INVITE back."""
        for session in list(self._sessions.values()):
            session.cancel(invite)

    def gone(self, key: tuple[str, str]) -> None:
        """A dialog needs no more requests."""
        self._sessions.pop(key, None)

    def _new_line(self, invite: ServerTransaction, body: Body) -> MirrorLine:
        request, source = invite.request, invite.flow.source
        contact = (request.message.first("Contact") or "").lower()
        tags = (*request.tokens("Require"), *request.tokens("Supported"))
        pair = self._pair_of(request, source[0])
        line = MirrorLine(
            next(self._serials),
            request,
            source,
            is_siprec="siprec" in tags or "+sip.src" in contact or body.metadata is not None,
            pair=pair,
            over=self._line_over,
        )
        recorded = read_metadata(body.metadata).sessions if body.metadata else ()
        line.same_session_as = tuple(
            other.invite.call_id
            for other in self._lines.values()
            if set(recorded).intersection(other.metadata.sessions)
        )
        self._lines[line.serial] = line
        if pair:
            self._pairs[pair] = line
            wait_s = self._settings.pair_wait_s
            asyncio.get_running_loop().call_later(wait_s, self._pair_waited, line, wait_s)
        return line

    def _pair_of(self, request: Request, host: str) -> str:
        """What the two INVITEs of a plain fork have in common; empty: no fork."""
        value = (request.message.first(self._settings.pair_call_header) or "").strip()
        return f"{host} {value}" if value else ""

    def _pair_waited(self, line: MirrorLine, waited_s: float) -> None:
        if self._pairs.get(line.pair) is line and not line.has_both:
            line.push(PairIncomplete(waited_s))

    def _line_over(self, line: MirrorLine) -> None:
        self._lines.pop(line.serial, None)
        if line.pair and self._pairs.get(line.pair) is line:
            del self._pairs[line.pair]
