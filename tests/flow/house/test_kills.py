"""SIGKILL at random moments of a call; `python -m ivr.bench.kills 200` is the long form."""

import pytest

from ivr.bench.kills import measure, rows


@pytest.mark.timeout(400)  # each start loads the house anew; a busy machine takes its time
async def test_whatever_moment_it_is_killed_at_calls_become_cases_and_reports_arrive_once() -> None:
    found = await measure(3, seed=5, houses=1, minutes=5)
    assert len(found.trials) == 3
    assert found.is_good, (rows(found), found)
