"""`ivr bench calls`: the figures are of real calls, and a step that breaks is named."""

from dataclasses import replace

from ivr.bench.calls import CallsFigures, Mode, measure_calls
from ivr.bench.calls_table import render


async def figures() -> CallsFigures:
    return await measure_calls(2, Mode.RECORD, 2.0)


async def test_every_packet_that_was_sent_is_recorded_and_nothing_drifts() -> None:
    found = await figures()
    assert found.broke == ""
    assert (found.answered, found.lost, found.late) == (2, 0, 0)
    assert found.packets > 2 * 90
    assert found.drift_ppm == 0.0
    assert found.cpu_sip > 0
    assert found.pss_mb_sip > 10
    assert found.cpu_recognition == 0
    table = render([found, replace(found, calls=4, broke="packets lost: 3")])
    assert "At 4 calls at once (record): packets lost: 3." in table
    assert "Nothing broke up to 2 calls" in render([found])
