"""SIPp (apt: sip-tester) as an independent peer: calls with hold, several at once, UDP and TCP."""

import asyncio
import os
from pathlib import Path

import pytest

from ivr.facts.call import Blame
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor

SCENARIO = Path(__file__).parents[2] / "assets" / "sipp" / "call_with_hold.xml"


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_calls_hold_and_hang_up(
    pool: WorkerPool, desk: Desk, door: UdpDoor, transport: str, tmp_path: Path
) -> None:
    calls = 8
    host, port = pool.addresses[0]
    sipp = await asyncio.create_subprocess_exec(
        *("sipp", f"{host}:{port}", "-sf", str(SCENARIO), "-s", "02499990000", "-t", transport),
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-m", str(calls), "-l", "3", "-r", "5"),
        *("-nostdin", "-timeout", "20", "-trace_err", "-error_file", str(tmp_path / "errors")),
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb"},
    )
    ledgers = []
    for _ in range(calls):
        line = await desk.next_line()
        ledgers.append(Ledger(line))
        await line.ring()
        await line.answer(door)
    for ledger in ledgers:
        end = await ledger.end()
        assert end.blame is Blame.CALLER
        assert "Normal call clearing" in end.reason
        assert [media.direction for media in ledger.media] == ["sendrecv", "recvonly"]
    status = await asyncio.wait_for(sipp.wait(), 20)
    errors = tmp_path / "errors"
    assert status == 0, errors.read_text() if errors.exists() else ""
