"""SIPp (apt: sip-tester) in cases that no other test has: an offerless re-INVITE, crossing BYEs."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ivr.facts.call import Blame
from tests.sip.peers.conftest import Answering

SCENARIOS = Path(__file__).parents[2] / "assets" / "sipp"


@asynccontextmanager
async def scenario(name: str, target: str, folder: Path) -> AsyncIterator[None]:
    """One call of a scenario; it must have gone as written when the block ends."""
    errors = folder / "errors"
    sipp = await asyncio.create_subprocess_exec(
        *("sipp", target, "-sf", str(SCENARIOS / f"{name}.xml"), "-s", "02499990000"),
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "20"),
        *(
            "-trace_err",
            "-error_file",
            str(errors),
            "-trace_logs",
            "-log_file",
            str(folder / "log"),
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb"},
    )
    try:
        yield
        status = await asyncio.wait_for(sipp.wait(), 25)
        assert status == 0, errors.read_text() if errors.exists() else status
    finally:
        if sipp.returncode is None:
            sipp.kill()
            await sipp.wait()


async def test_a_re_invite_without_offer_gets_ours_and_media_stay_at_the_door(
    answering: Answering, tmp_path: Path
) -> None:
    async with scenario("offerless_reinvite", answering.target, tmp_path):
        call = await answering.answer()
        end = await call.facts.end(15)
    assert end.blame is Blame.CALLER
    assert len(call.facts.media) == 2
    assert f"offered m=audio {call.door.endpoint.port}" in (tmp_path / "log").read_text()
    await call.door.close()


async def test_byes_that_cross_end_the_call_once(answering: Answering, tmp_path: Path) -> None:
    async with scenario("crossing_byes", answering.target, tmp_path):
        call = await answering.answer()
        await call.facts.until(lambda facts: bool(facts.media))
        await call.line.hang_up("enough")
        end = await call.facts.end()
    assert end.blame is Blame.US
    await answering.until_free()
    await call.door.close()
