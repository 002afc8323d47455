"""One recording dialog: offers answered, metadata followed, timers kept, BYE in the end."""

from collections.abc import Mapping
from functools import partial
from typing import Final, Protocol

from ivr.facts.call import Blame
from ivr.ports import MediaEndpoint
from ivr.siprec import session_timer
from ivr.siprec.body import Body, read_body
from ivr.siprec.correspondent import Correspondent, Terms
from ivr.siprec.description import Description, Proposal
from ivr.siprec.dialog import Dialog
from ivr.siprec.facts import (
    Fact,
    Message,
    MetadataReceived,
    Negotiation,
    StreamsAgreed,
    Unacknowledged,
)
from ivr.siprec.metadata import Metadata, read_metadata
from ivr.siprec.request import Request, printable
from ivr.siprec.session_clock import SessionClock
from ivr.siprec.session_timer import SessionTimer, TooBrief
from ivr.siprec.transactions import ServerTransaction

RETRY: Final = ("Retry-After", "1")
"""Of a request that comes while another one waits (RFC 3261 section 14.2)."""

FULL: Final = (503, "Service Unavailable", (RETRY,))
TOO_BRIEF: Final = (
    422,
    "Session Interval Too Small",
    (("Min-SE", str(session_timer.MIN_SE_S)),),
)


class Parent(Protocol):
    """The call that a dialog belongs to; see ``MirrorLine``."""

    metadata: Metadata

    @property
    def is_full(self) -> bool: ...

    def push(self, fact: Fact) -> None: ...

    def answered(self) -> None: ...

    def session_ended(self, session: int, reason: str, blame: Blame, status: int) -> None: ...


class Session:
    """A dialog of ours as the called side. Lives on one event loop.

    Args:
        serial: names it within the server.
        leg_hint: whose sound it carries, as a plain fork says.
    """

    def __init__(
        self, serial: int, invite: ServerTransaction, parent: Parent, leg_hint: str, terms: Terms
    ) -> None:
        self.serial = serial
        self.dialog = Dialog(invite.request, invite.flow)
        self._parent, self._terms, self._leg_hint = parent, terms, leg_hint
        self._offer: ServerTransaction | None = invite  # the request that waits for our answer
        self._unacked: ServerTransaction | None = None
        self._media = Description(serial, terms.accepts)
        self._voice = Correspondent(self.dialog, terms)
        self._clock = SessionClock(self._voice, terms.background, self._ran_out)
        self._is_answered = self._is_over = False

    # --- requests of the other side --------------------------------------------------------------

    def begin(self, transaction: ServerTransaction, body: Body) -> None:
        """The INVITE that made the dialog."""
        self._negotiate(transaction, body, is_first=True)

    def take(self, transaction: ServerTransaction) -> None:
        """A new request inside the dialog, other than ACK and CANCEL."""
        request = transaction.request
        if not self.dialog.takes(request):
            self._voice.reply(transaction, 500, "Request Out Of Order")
        elif request.method == "BYE":
            self._voice.reply(transaction, 200, "OK")
            self._bye_came(request)
        elif request.method == "INFO":
            self._take_metadata(
                transaction, read_body(request.message.first("Content-Type"), request.body)
            )
        elif self._offer is not None or self._media.waits_for_answer:
            self._voice.reply(transaction, 500, "Another Offer Waits", (RETRY,))
        else:
            self.dialog.refresh(request, transaction.flow)
            body = read_body(request.message.first("Content-Type"), request.body)
            if request.method == "UPDATE" and body.sdp is None:
                self._take_metadata(transaction, body)
            else:
                self._negotiate(transaction, body, is_first=False)

    def acknowledge(self, request: Request) -> None:
        """The ACK of our 2xx."""
        invite = self._unacked
        if invite is None or invite.request.cseq != request.cseq:
            return
        self._unacked = None
        invite.acknowledge()
        if self._is_over:
            self._voice.say_bye()
        elif self._media.waits_for_answer:
            self._take_answer(request)

    def cancel(self, invite: ServerTransaction) -> None:
        """The other side takes an INVITE back that we have not answered."""
        if self._offer is not invite:
            return
        self._offer = None
        self._voice.reply(invite, 487, "Request Terminated")
        if not self._is_answered:
            self._end("cancelled before it was answered", Blame.UNKNOWN, 487)

    # --- commands of the recorder ----------------------------------------------------------------

    def refuse(self, status: int, reason: str, retry_after_s: int = 0) -> None:
        """A final answer of 300 or above to the offer that waits; the first one's ends the call."""
        waiting, self._offer = self._offer, None
        if waiting is None:
            return
        headers = (("Retry-After", str(retry_after_s)),) if retry_after_s else ()
        self._voice.reply(waiting, status, reason, headers)
        if not self._is_answered:
            self._end(reason, Blame.US, status)

    def hang_up(self, reason: str, blame: Blame) -> None:
        """BYE; 480 when nothing was answered yet. Does nothing after the end."""
        if self._is_over:
            return
        if not self._is_answered:
            self.refuse(480, "Temporarily Unavailable")
            return
        self.refuse(480, "Temporarily Unavailable")
        is_acked = self._unacked is None  # no BYE before the ACK (RFC 3261 section 15)
        self._end(reason, blame, 0, is_gone=is_acked)
        if is_acked:
            self._voice.say_bye()

    # --- offers ----------------------------------------------------------------------------------

    def _negotiate(self, transaction: ServerTransaction, body: Body, *, is_first: bool) -> None:
        self._offer = transaction
        try:
            timer = session_timer.agree(transaction.request)
        except TooBrief:
            self._refused(transaction, *TOO_BRIEF)
            return
        if self._parent.is_full:
            self._refused(transaction, *FULL)
            return
        message = self._keep(transaction.request, body)
        source = self.dialog.flow.source[0]
        if body.sdp is None:
            labels = [stream.label for stream in self._parent.metadata.streams.values()]
            proposal = self._media.asked(labels, source)
        else:
            proposal = self._media.offered(body.sdp, source)
        if not proposal.is_acceptable:
            self._refused(transaction, 488, "Not Acceptable Here", (proposal.warning,))
            return
        self._parent.push(
            Negotiation(
                message=message,
                streams=proposal.streams,
                session=self.serial,
                is_first=is_first,
                leg_hint=self._leg_hint,
                answer=partial(self._answer, transaction, proposal, timer),
                refuse=partial(self._refuse, transaction),
            )
        )

    def _answer(
        self,
        transaction: ServerTransaction,
        proposal: Proposal,
        timer: SessionTimer | None,
        endpoints: Mapping[str, MediaEndpoint],
    ) -> None:
        if self._offer is not transaction or self._is_over:
            return  # cancelled meanwhile
        self._offer = None
        if transaction.request.method == "INVITE":
            self._unacked = transaction
        self._is_answered = True
        self._parent.answered()
        host = self._terms.replies.host(transaction.flow)
        said = self._media.said(proposal, endpoints, host)
        headers = timer.headers if timer else ()
        self._voice.reply(transaction, 200, "OK", headers, said, self._no_ack)
        self._clock.begin(timer)

    def _refuse(
        self, transaction: ServerTransaction, status: int, reason: str, retry_after_s: int
    ) -> None:
        if self._offer is transaction:
            self.refuse(status, reason, retry_after_s)

    def _take_answer(self, ack: Request) -> None:
        """The answer to an offer of ours."""
        body = read_body(ack.message.first("Content-Type"), ack.body)
        streams = self._media.answered(body.sdp, self.dialog.flow.source[0])
        if streams is None:
            self.hang_up("our offer got no answer", Blame.UPSTREAM)
        else:
            self._parent.push(StreamsAgreed(streams))

    def _take_metadata(self, transaction: ServerTransaction, body: Body) -> None:
        if self._parent.is_full:
            self._voice.reply(transaction, *FULL)
            return
        request = transaction.request
        headers: tuple[tuple[str, str], ...] = ()
        if request.method == "UPDATE":
            try:
                timer = session_timer.agree(request)
            except TooBrief:
                self._voice.reply(transaction, *TOO_BRIEF)
                return
            headers = timer.headers if timer else ()
            self._clock.begin(timer)
        if body.metadata is not None:
            self._parent.push(MetadataReceived(self._keep(request, body)))
        self._voice.reply(transaction, 200, "OK", headers)

    def _keep(self, request: Request, body: Body) -> Message:
        """What a message brought; its metadata is merged into what is known of the call."""
        flags = [*body.flags, *(("body_truncated",) if request.is_truncated else ())]
        update = None if body.metadata is None else read_metadata(body.metadata)
        if update is not None:
            flags += update.flags
            self._parent.metadata = self._parent.metadata.updated(update)
        known = None if update is None else self._parent.metadata
        return Message(request.method, request.raw, known, tuple(flags))

    # --- the end and the timers ------------------------------------------------------------------

    def _bye_came(self, request: Request) -> None:
        if self._unacked is not None:
            self._unacked.acknowledge()
        if self._offer is not None:
            self._voice.reply(self._offer, 487, "Request Terminated")
            self._offer = None
        cause = printable(request.message.first("Reason") or "")
        reason = "the border controller ended the recording"
        self._end(f"{reason} ({cause})" if cause else reason, Blame.UNKNOWN, 0)

    def _ran_out(self, reason: str) -> None:
        self.hang_up(reason, Blame.UPSTREAM)

    def _no_ack(self) -> None:
        self._unacked = None
        self._media.forget_ours()
        if self._is_over:
            self._voice.say_bye()
        else:
            self._parent.push(Unacknowledged(self.serial))

    def _end(self, reason: str, blame: Blame, status: int, *, is_gone: bool = True) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._clock.stop()
        if is_gone:
            self._terms.gone(self.dialog.key)
        self._parent.session_ended(self.serial, reason, blame, status)

    def _refused(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Refuse an offer before the recorder hears of it."""
        self._offer = None
        self._voice.reply(transaction, status, reason, headers)
        if not self._is_answered:
            self._end(reason, Blame.US, status)
