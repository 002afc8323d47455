"""The test caller: places one real SIP call. ``python -m ivr.telephony.caller URI --help``.

A process of its own with its own pjsua2, so a call passes real sockets between two programs.
Events go to standard output as JSON lines; exit 0: the call was answered and went as asked,
1: it was refused, cancelled or cut short, 2: called wrongly, 3: it could not be placed at all.
"""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

import pjsua2 as pj

from ivr.clock import to_iso
from ivr.errors import IvrError, TelephonyError
from ivr.telephony import pj_endpoint
from ivr.telephony.caller_options import CallPlan, parse_arguments
from ivr.telephony.pj_media import open_audio
from ivr.telephony.pj_player import Prompt

DONE, REFUSED, ENVIRONMENT = 0, 1, 3  # 2 is UsageError's
_PUMP_MS = 5
_BYE_PATIENCE_S = 2.0
_REST_S = 0.2


class Reporter:
    """Writes events as JSON lines, each with wall time (``at``) and ``monotonic_ns``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, event: str, **fields: object) -> None:
        line = {
            "event": event,
            "at": to_iso(datetime.now(UTC)),
            "monotonic_ns": time.monotonic_ns(),
            **fields,
        }
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()


@dataclass
class _State:
    """What the callbacks found out; the loop acts on it."""

    is_confirmed: bool = False
    is_disconnected: bool = False
    status: int = 0
    reason: str = ""
    ended_by: str = "other side"
    notes: "deque[tuple[str, dict[str, object]]]" = field(default_factory=deque)


class _OutgoingCall(pj.Call):  # type: ignore[misc]  # pjsua2 carries no type stubs
    def __init__(self, account: Any, state: _State, plug: Callable[[Any], None]) -> None:
        super().__init__(account)
        self._state = state
        self._plug = plug

    def onCallState(self, _prm: Any) -> None:
        info = self.getInfo()
        state = self._state
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            state.notes.append(("ringing", {"status": info.lastStatusCode}))
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED and not state.is_confirmed:
            state.is_confirmed = True
            state.notes.append(("answered", {"sip_call_id": info.callIdString}))
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            state.is_disconnected = True
            state.status, state.reason = info.lastStatusCode, info.lastReason

    def onCallMediaState(self, _prm: Any) -> None:
        media = open_audio(self)
        if media is not None:
            self._plug(media)


class TestCaller:
    """One call after a plan."""

    def __init__(self, plan: CallPlan, report: Reporter) -> None:
        self._plan = plan
        self._report = report
        self._state = _State()
        self._stack = pj_endpoint.start(plan.bind, 0, "ivr test caller", 8.0)
        self._prompt: Prompt | None = None
        self._recorder: Any = None
        self._audio_over_at: float | None = None
        self._answered_at: float | None = None
        self._digits = deque(sorted(plan.dtmf, key=lambda item: item[1]))

    def run(self) -> int:
        """Place the call and see it through; returns the exit status."""
        plan, state = self._plan, self._state
        display = plan.display.replace("\\", "\\\\").replace('"', '\\"')
        shown = f'"{display}" ' if display else ""
        uri = f"{shown}<sip:{plan.number}@{plan.bind}:{self._stack.port}>"
        account = pj.Account()
        account.create(pj_endpoint.account_config(uri, plan.bind), True)
        call = _OutgoingCall(account, state, self._plug)
        parameters = pj_endpoint.with_headers(pj.CallOpParam(True), plan.headers)
        call.makeCall(plan.uri, parameters)
        self._report.say("calling", uri=plan.uri, number=plan.number)
        self._see_through(call)
        is_done = state.is_confirmed and (plan.wav is None or self._audio_over_at is not None)
        self._report.say(
            "disconnected",
            status=state.status,
            reason=state.reason,
            by=state.ended_by,
            answered=state.is_confirmed,
        )
        self._let_go()
        del call
        account.shutdown()
        del account
        self._stack.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        return DONE if is_done else REFUSED

    def _let_go(self) -> None:
        """Destroy the player when its event thread has surely left it; see ``pj_player``."""
        if self._prompt is not None:
            self._prompt.stop()
            until = time.monotonic() + _REST_S
            while time.monotonic() < until:
                self._stack.endpoint.libHandleEvents(_PUMP_MS)
        self._prompt = self._recorder = None

    def _see_through(self, call: Any) -> None:
        plan, state = self._plan, self._state
        began = time.monotonic()
        hung_up_at: float | None = None
        while not state.is_disconnected:
            self._stack.endpoint.libHandleEvents(_PUMP_MS)
            now = time.monotonic()
            self._tell()
            if state.is_confirmed and self._answered_at is None:
                self._answered_at = now
            self._talk(call, now)
            why = self._why_end(now, began)
            if hung_up_at is None and why is not None:
                hung_up_at, state.ended_by = now, why
                call.hangup(pj.CallOpParam())
            elif hung_up_at is not None and now - hung_up_at > _BYE_PATIENCE_S:
                return
        self._tell()
        while hung_up_at is not None and self._is_bye_open():
            self._stack.endpoint.libHandleEvents(_PUMP_MS)
            if time.monotonic() - hung_up_at > plan.bye_patience_s:
                return

    def _is_bye_open(self) -> bool:
        return bool(self._stack.library.pjsua_call_get_count())

    def _why_end(self, now: float, began: float) -> str | None:
        plan = self._plan
        if now - began > plan.max_s:
            return "time limit"
        if self._answered_at is None:
            return "no answer" if now - began > plan.ring_s else None
        if plan.linger_s is None or self._digits:
            return None
        over = self._answered_at if plan.wav is None else self._audio_over_at
        return "caller" if over is not None and now - over >= plan.linger_s else None

    def _talk(self, call: Any, now: float) -> None:
        """Start the sound, notice its end, press keys."""
        plan, answered = self._plan, self._answered_at
        if answered is None or self._state.is_disconnected:
            return
        prompt = self._prompt
        if prompt is not None and prompt.is_connected and self._audio_over_at is None:
            if prompt.is_over:
                self._audio_over_at = now
                self._report.say("audio_finished")
        elif prompt is None and plan.wav is not None and now - answered >= plan.start_after_s:
            self._prompt = Prompt(1, plan.wav, plan.wav_s)
            media = open_audio(call)
            if media is not None:
                self._start_sound(media)
        while self._digits and now - answered >= self._digits[0][1]:
            digit, _ = self._digits.popleft()
            call.dialDtmf(digit)
            self._report.say("dtmf", digit=digit)

    def _plug(self, media: Any) -> None:
        """Media was agreed, or agreed anew."""
        if self._plan.record is not None:
            if self._recorder is None:
                self._recorder = pj.AudioMediaRecorder()
                self._recorder.createRecorder(str(self._plan.record))
            media.startTransmit(self._recorder)
        if self._prompt is not None and self._audio_over_at is None:
            self._start_sound(media)

    def _start_sound(self, media: Any) -> None:
        assert self._prompt is not None
        is_first = not self._prompt.is_connected
        self._prompt.start_into(media)
        if is_first:
            self._report.say("audio_started", duration_s=self._plan.wav_s)

    def _tell(self) -> None:
        while self._state.notes:
            event, fields = self._state.notes.popleft()
            self._report.say(event, **fields)


def main() -> None:
    """Entry point; ends with ``os._exit`` as every pjsua2 process must."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an event
    report = Reporter(stream)
    status = ENVIRONMENT
    try:
        status = TestCaller(parse_arguments(sys.argv[1:]), report).run()
    except IvrError as problem:
        report.say("error", **problem.as_dict())
        status = problem.exit_code
    except pj.Error as problem:
        failure = TelephonyError(
            "The call could not be placed.",
            why=problem.reason,
            remedy="Check the URI, and that --bind is an address of this machine.",
        )
        report.say("error", **failure.as_dict())
    stream.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
