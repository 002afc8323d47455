"""One incoming call inside a worker (``pj_dialled``: one that it placed). Lives on the pj thread.

Callbacks only note facts in a bounded outbox; media threads call ``onDtmfDigit`` and ``onEof2``,
so those append to a deque and do nothing else. No exception leaves a callback: its traceback
would keep pj objects alive until the library is gone, and that aborts the process.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pjsua2 as pj

from ivr.facts.call import Blame
from ivr.sip import message as sip_message
from ivr.telephony import call_end, sdp
from ivr.telephony.admission import Overdue, Progress, overdue
from ivr.telephony.channel import Message
from ivr.telephony.pj_endpoint import with_headers
from ivr.telephony.pj_media import media_fact, open_audio
from ivr.telephony.pj_player import Prompt

P = ParamSpec("P")
AnyCall = TypeVar("AnyCall", bound="AgentCall")
_DTMF_METHODS = {0: "rfc4733", 1: "info"}


@dataclass(frozen=True, slots=True)
class Owner:
    """What a call may reach of its worker; no reference back to the calls, so that the last
    reference to a finished call is the one ``forget`` drops."""

    emit: Callable[[Message], None]
    forget: Callable[[int], None]
    rest: Callable[[Prompt], None]
    real: Callable[[tuple[str, int]], tuple[str, int]]
    media_changed: Callable[[int], None]


def guarded(
    method: Callable[Concatenate[AnyCall, P], None],
) -> Callable[Concatenate[AnyCall, P], None]:
    """A callback that reports its exceptions as text."""

    @wraps(method)
    def call(self: AnyCall, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as problem:  # noqa: BLE001 - see the module's first paragraph
            text = f"{type(problem).__name__}: {problem}"
            self.owner.emit({"type": "log", "event": f"{method.__name__} failed", "detail": text})

    return call


class AgentCall(pj.Call):  # type: ignore[misc]  # pjsua2 carries no type stubs
    """``serial`` is the worker's own number of the call: pj re-uses its call ids."""

    def __init__(self, account: Any, call_id: int, serial: int, owner: Owner) -> None:
        super().__init__(account, call_id)
        self.serial = serial
        self.owner = owner
        self.source = ""
        self.offered_ns = time.monotonic_ns()
        self.answered_ns = 0
        self.confirmed_ns = 0
        self.is_announced = True
        self.is_media_agreed = False
        self.is_sdp_unreadable = False
        self.is_ending = False
        self.prompt: Prompt | None = None
        self.partner: int | None = None
        self._door: tuple[str, int] | None = None
        self._local_sdp: str | None = None
        self._remote = ("", 0)
        self._end: call_end.CallEnd | None = None
        self._digits: deque[tuple[str, str, int]] = deque(maxlen=64)

    @property
    def progress(self) -> Progress:
        return Progress(self.offered_ns, self.answered_ns, self.confirmed_ns, self.is_media_agreed)

    def overdue(self, now_ns: int, ack_timeout_s: float) -> Overdue | None:
        """Whether the call has waited too long for something."""
        return overdue(self.progress, now_ns, ack_timeout_s)

    # --- commands, called by the worker's loop -------------------------------------------------

    def ring(self) -> None:
        self.answer(self._parameters(180))

    def accept(self, host: str, port: int) -> None:
        """200 with the door's address. With an offer our answer was composed when the INVITE
        came and is given again, led to the door; without one ``onCallSdpCreated`` leads it."""
        self._door = (host, port)
        parameters = self._parameters(200)
        if self._local_sdp is not None:
            led = sdp.redirect_audio(self._local_sdp, host, port)
            if led is None:
                self.refuse(488, "Not Acceptable Here", None)
                return
            parameters.sdp.wholeSdp = led
        self.answered_ns = time.monotonic_ns()
        self.answer(parameters)

    def refuse(self, status: int, reason: str, retry_after_s: int | None) -> None:
        self.end_as(Blame.US, f"refused: {status} {reason}")
        extra = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else {}
        self.hangup(self._parameters(status, reason, extra))

    def end(self, blame: Blame, reason: str) -> None:
        """BYE, or a refusal when the call was not answered."""
        self.end_as(blame, reason)
        self.is_ending = True
        self.hangup(self._parameters(0 if self.answered_ns else 480))

    def end_as(self, blame: Blame, reason: str) -> None:
        if self._end is None:
            self._end = call_end.CallEnd(blame, reason)

    def play(self, prompt: Prompt) -> None:
        """Start a prompt; one that still plays is over."""
        self.stop_prompt()
        self.prompt = prompt
        self._connect_prompt()

    def stop_prompt(self) -> None:
        prompt, self.prompt = self.prompt, None
        if prompt is not None:
            self.owner.rest(prompt)
            self.owner.emit({"type": "played", "serial": self.serial, "play": prompt.play})

    def report_digits(self) -> None:
        """Keys noted by the callbacks since the last time."""
        while self._digits:
            digit, method, at_ns = self._digits.popleft()
            self.owner.emit(
                {
                    "type": "dtmf",
                    "serial": self.serial,
                    "digit": digit,
                    "method": method,
                    "at_s": round((at_ns - self.offered_ns) / 1e9, 3),
                }
            )

    def _parameters(
        self, status: int, reason: str = "", extra: dict[str, str] | None = None
    ) -> Any:
        parameters = pj.CallOpParam()
        parameters.statusCode = status
        parameters.reason = reason
        return with_headers(parameters, extra or {})

    def _connect_prompt(self) -> None:
        if self.prompt is not None and self.answered_ns:
            media = open_audio(self)
            if media is not None:
                self.prompt.start_into(media)

    # --- callbacks -----------------------------------------------------------------------------

    @guarded
    def onCallSdpCreated(self, prm: Any) -> None:
        """Our SDP of the first answer is kept; every later one is led to the door here."""
        whole = prm.sdp.wholeSdp
        if not whole:  # longer than PJSUA2_MAX_SDP_BUF_LEN: it could not be led to the door
            self.is_sdp_unreadable = True
        elif self._door is None:
            self._local_sdp = whole
        else:
            led = sdp.redirect_audio(whole, *self._door)
            if led is None:
                self.is_sdp_unreadable = True
            else:
                prm.sdp.wholeSdp = led

    @guarded
    def onCallRxReinvite(self, prm: Any) -> None:
        self.source = prm.rdata.srcAddress

    @guarded
    def onCallRxOffer(self, prm: Any) -> None:
        """An UPDATE before the answer would leave pj's negotiator in a state in which answering
        is a failed assertion: refused."""
        if not self.answered_ns:
            prm.statusCode = 488

    @guarded
    def onCallMediaState(self, _prm: Any) -> None:
        """Media was agreed, or agreed anew: conference slots changed, so connect again."""
        fact = media_fact(self, self.source, self._remote, self.owner.real)
        if fact is None:
            self.owner.emit({"type": "media_failed", "serial": self.serial})
            return
        self._remote = fact["remote"]
        self.is_media_agreed = True
        self._connect_prompt()
        self.owner.media_changed(self.serial)
        self.owner.emit({"serial": self.serial, **fact})

    @guarded
    def onDtmfDigit(self, prm: Any) -> None:
        method = _DTMF_METHODS.get(prm.method, "rfc4733")
        self._digits.append((prm.digit, method, time.monotonic_ns()))

    @guarded
    def onCallTsxState(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        if event.type != pj.PJSIP_EVENT_RX_MSG or event.tsx.role != pj.PJSIP_ROLE_UAS:
            return
        if event.tsx.method not in ("BYE", "INFO"):
            return
        raw = event.src.rdata.wholeMsg.encode("utf-8", "surrogateescape")
        message = sip_message.parse(raw)
        if event.tsx.method == "BYE":
            if self._end is None:
                self._end = call_end.from_bye(message.first("Reason"))
            return
        # pj understands application/dtmf-relay alone and answers 500 to this older form
        kind = (message.first("Content-Type") or "").split(";")[0].strip().lower()
        digit = message.body[:16].strip().decode("ascii", "replace").upper()
        if kind == "application/dtmf" and len(digit) == 1 and digit in "0123456789*#ABCD":
            self._digits.append((digit, "info", time.monotonic_ns()))

    @guarded
    def onCallTransferRequest(self, prm: Any) -> None:
        prm.statusCode = 603  # pj would accept a REFER by itself and call whom it names

    @guarded
    def onCallReplaceRequest(self, prm: Any) -> None:
        prm.statusCode = 603  # nobody takes a recorded call over (RFC 3891)

    @guarded
    def onCallState(self, _prm: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED and not self.confirmed_ns:
            self.confirmed_ns = time.monotonic_ns()
            self.owner.emit({"type": "confirmed", "serial": self.serial})
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            try:
                self._close(info)
            finally:  # a call that outlives its end hangs up the next one with its id
                self.owner.forget(self.serial)

    def _close(self, info: Any) -> None:
        self.report_digits()
        self.stop_prompt()
        end = self._end or call_end.from_status(
            info.lastStatusCode, info.lastReason, self.answered_ns > 0, self.confirmed_ns > 0
        )
        if not self.is_announced:
            return
        self.owner.emit(self._closed_fact(info.lastStatusCode, end))

    def _closed_fact(self, status: int, end: call_end.CallEnd) -> Message:
        spoken = time.monotonic_ns() - self.answered_ns if self.answered_ns else 0
        return {
            "type": "closed",
            "serial": self.serial,
            "blame": str(end.blame),
            "reason": end.reason,
            "status": status,
            "duration_s": round(spoken / 1e9, 3),
        }
