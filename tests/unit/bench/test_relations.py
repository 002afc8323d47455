"""False filings per ten hours, and the warning before or after the demand."""

import json

import pytest

from ivr.bench import relations
from ivr.bench.relations import HardNegatives, Lead, Timed, hard_negatives, lead, timed_by_text
from ivr.bench.verdict import Dialogue, Outcome
from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Level, Verdict

DEMAND = (20.0, 24.0)


def judged(level: Level, live_at_s: float | None) -> Verdict:
    return Verdict(
        label=Label.CLEAN,
        level=level,
        score=0.5,
        pretexts=(),
        stages=(),
        reasons=(),
        live_at_s=live_at_s,
        filing_at_s=None,
        rulebook_sha256="",
    )


def call(
    label: str = "scam",
    *,
    is_hard: bool = False,
    level: Level = Level.NONE,
    live_at_s: float | None = None,
    demand: tuple[float, float] | None = None,
    duration_s: float = 360.0,
) -> Timed:
    dialogue = Dialogue("one", label, "-", "north", is_hard, ())
    outcome = Outcome(dialogue, (), judged(level, live_at_s))
    return Timed(outcome, duration_s, demand)


def test_only_hard_calls_that_are_no_scam_count() -> None:
    calls = [
        call("benign", is_hard=True, level=Level.FILING, live_at_s=3.0),
        call("benign", is_hard=True, level=Level.LIVE, live_at_s=3.0),
        *(call("benign", is_hard=True) for _ in range(3)),
        call("benign", level=Level.FILING, live_at_s=3.0),
        call("scam", is_hard=True, level=Level.FILING, live_at_s=3.0),
    ]
    found = hard_negatives(calls)
    assert found == HardNegatives(calls=5, hours=0.5, filed=1, warned=2)
    assert found.filings.per(10)[0] == pytest.approx(20.0)
    assert found.warnings.per(10)[0] == pytest.approx(40.0)


def test_the_warning_is_counted_from_the_begin_of_the_demand() -> None:
    calls = [
        call(live_at_s=12.0, demand=DEMAND),  # 8 s before it began
        call(live_at_s=22.0, demand=DEMAND),  # while it was said
        call(live_at_s=30.0, demand=DEMAND),  # after it
        call(demand=DEMAND),  # never warned
        call(live_at_s=5.0),  # broken off before a demand
        call("benign", live_at_s=1.0, demand=DEMAND),
    ]
    assert lead(calls) == Lead(demands=4, warned=3, before_start=1, before_end=2, median_s=2.0)


def test_without_any_call_nothing_is_claimed() -> None:
    assert lead([]).median_s is None
    assert "0 calls" in relations.render([])
    shape = json.loads(json.dumps(relations.as_json([call(live_at_s=12.0, demand=DEMAND)])))
    assert shape["first_warning"]["before_start"] == 1
    assert shape["hard_negatives"]["calls"] == 0


def test_text_is_timed_by_the_syllable() -> None:
    turns = ((LegName.CALLER, "a lô"), (LegName.CALLER, "anh chuyển tiền đi"))
    dialogue = Dialogue("one", "scam", "otp", "north", False, turns, first_demand_turn=1)
    (timed,) = timed_by_text([Outcome(dialogue, (), judged(Level.NONE, None))])
    # two syllables, a pause, four syllables
    assert timed.demand == (pytest.approx(2 * 0.22 + 0.8), pytest.approx(6 * 0.22 + 0.8))
    assert timed.duration_s == timed.demand[1]
