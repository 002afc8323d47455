"""A call that the worker places: to a subscriber of a bridge. Lives on the pj thread.

It is led to its RTP door from the first offer on, and the other side's address stays hidden from
pjsua2 as in any call (``pj_offer``). A redirection is not followed and a transfer is refused:
whom we call, only the list that the worker got at its start decides.
"""

import time
from typing import Any

import pjsua2 as pj

from ivr.facts.call import Blame, Pickup
from ivr.telephony import call_end
from ivr.telephony.admission import Overdue
from ivr.telephony.channel import Message
from ivr.telephony.pj_call import AgentCall, Owner, guarded

_NO_CALL = -1  # PJSUA_INVALID_ID
_RANG_TOO_LONG = "nobody picked up"


class DialledCall(AgentCall):
    """``source`` is the address that was dialled; signalling comes back from there.

    Args:
        door: where the other side shall send its RTP.
        ring_s: how long it may ring.
    """

    def __init__(
        self, account: Any, serial: int, owner: Owner, door: tuple[str, int], ring_s: float
    ) -> None:
        super().__init__(account, _NO_CALL, serial, owner)
        self._door = door
        self._ring_s = ring_s
        self._has_rung = self._is_redirected = False

    def dial(self, uri: str, shown: str, at: tuple[str, int]) -> None:
        """Send the INVITE. ``shown`` is the URI in From.

        Raises:
            pj.Error: it could not be sent.
        """
        self.source = f"[{at[0]}]:{at[1]}"
        parameters = pj.CallOpParam(True)
        parameters.txOption.localUri = f"<{shown}>"
        self.makeCall(uri, parameters)

    def overdue(self, now_ns: int, ack_timeout_s: float) -> Overdue | None:
        if not self.answered_ns:
            is_late = (now_ns - self.offered_ns) / 1e9 > self._ring_s
            return Overdue(_RANG_TOO_LONG, is_upstream=False) if is_late else None
        return super().overdue(now_ns, ack_timeout_s)

    def onCallRedirected(self, _prm: Any) -> int:
        self.end_as(Blame.CALLEE, "redirected, which we do not follow")
        self._is_redirected = True
        return int(pj.PJSIP_REDIRECT_STOP)

    @guarded
    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            self._has_rung = True
            fact = {"type": "ringing", "serial": self.serial, "status": info.lastStatusCode}
            self.owner.emit(fact)
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED and not self.answered_ns:
            self.answered_ns = time.monotonic_ns()
            self._connect_prompt()
        super().onCallState(prm)

    def _closed_fact(self, status: int, end: call_end.CallEnd) -> Message:
        fact = super()._closed_fact(status, end)
        if end.blame is Blame.CALLER:
            fact["blame"] = str(Blame.CALLEE)
        if self.answered_ns:
            fact["pickup"] = str(Pickup.ANSWERED)
        elif self._is_redirected:
            fact["pickup"] = str(Pickup.REFUSED)
        else:
            is_too_late = end.reason == _RANG_TOO_LONG
            given_up = end.blame is Blame.US and not is_too_late
            fact["pickup"] = str(call_end.pickup(status, self._has_rung, given_up, is_too_late))
        return fact
