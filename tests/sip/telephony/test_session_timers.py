"""Session timers (RFC 4028): agreed, refreshed by us and by them, and a dead session is ended.

The standard's shortest session lasts 90 seconds: the calls run beside the other tests of this
folder (see conftest.py) and are looked at here.
"""

import asyncio
import json
import subprocess

import pytest

from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk
from tests.fakes.raw_caller import RawCaller


@pytest.mark.timeout(180)
async def test_sessions_are_refreshed_and_dead_ones_ended(
    session_timers: "subprocess.Popen[str]",
) -> None:
    out, _ = await asyncio.to_thread(session_timers.communicate, timeout=150)
    calls = json.loads(out)
    update, reinvite = calls["we refresh by UPDATE"], calls["we refresh by re-INVITE"]
    theirs, nobody = calls["they refresh"], calls["nobody refreshes"]
    assert update["agreed"] == reinvite["agreed"] == "90;refresher=uas, None"
    assert theirs["agreed"] == nobody["agreed"] == "90;refresher=uac, timer"
    assert update["refreshes"] == ["UPDATE"]
    assert reinvite["refreshes"] == ["INVITE"]
    assert reinvite["media"] >= 2  # agreed anew
    assert [call["past_the_door"] for call in calls.values()] == [0, 0, 0, 0]
    assert update["closed"] is reinvite["closed"] is theirs["closed"] is None
    assert nobody["closed"] is not None
    assert nobody["byes"] == 1


@pytest.mark.parametrize("seconds", [10, 89])
async def test_a_session_too_short_for_the_standard_is_refused(
    pool: WorkerPool, desk: Desk, seconds: int
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        answer = await caller.call(
            extra=f"Supported: timer\r\nSession-Expires: {seconds}\r\nMin-SE: {seconds}\r\n"
        )
        assert (answer.status, answer.header("Min-SE")) == (422, "90")
    assert desk.lines.empty()
