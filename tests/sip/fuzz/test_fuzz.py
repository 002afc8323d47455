"""Two thousand damaged datagrams, always the same ones; `python -m ivr.bench.fuzz` sends 50,000."""

from collections.abc import Awaitable, Callable

import pytest

from ivr.bench.fuzz import FuzzFigures, fuzz_agent, fuzz_recorder


@pytest.mark.parametrize("fuzz", [fuzz_agent, fuzz_recorder])
async def test_damaged_datagrams_kill_nothing_and_hold_no_place(
    fuzz: Callable[[int, int], Awaitable[FuzzFigures]],
) -> None:
    figures = await fuzz(1000, 4475)
    assert figures.checks == 41
    assert figures.unanswered_checks == 0
    assert figures.died == 0
    assert figures.calls_left == 0
    assert figures.calls > 5, "the damage must be light enough to become calls"
    assert figures.resident_mb_after < figures.resident_mb_before + 30
