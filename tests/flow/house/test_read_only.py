"""A data folder that takes nothing any more: no call is answered that could not be kept."""

import asyncio
from pathlib import Path

from tests.fakes.serving_house import call


async def set_immutable(folder: Path, sign: str) -> None:
    """``+``: not even root may write there; ``-``: everything is as before."""
    process = await asyncio.create_subprocess_exec("chattr", f"{sign}i", str(folder))
    assert await process.wait() == 0


async def test_calls_that_cannot_be_kept_are_refused_with_an_alarm_and_taken_again_after(
    serve, speech
):
    house = await serve()
    cases = house.data / "cases"
    await set_immutable(cases, "+")
    try:
        code, events = await call(house.uri(), "--wav", str(speech(2.0)))
        assert (code, events[-1]["status"]) == (1, 503)
        await house.until(lambda: any("case_unsealed" in line for line in house.lines))
    finally:
        await set_immutable(cases, "-")
    code, _ = await call(house.uri(), "--wav", str(speech(2.0)))
    assert code == 0
    await house.until(house.sealed)
