"""Two recognisers, one verdict: rubbish neither files nor takes a filing back."""

import asyncio
from pathlib import Path

import pytest

from ivr.errors import RecognitionError
from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Level, Reason, Verdict
from ivr.facts.speech import Utterance, Word
from ivr.journeys.second_pass import Judged, combine, hear_again
from ivr.recognition.model import ModelInfo
from ivr.telemetry import logger

THREAT = "anh phải chuyển tiền vào tài khoản này ngay bây giờ nếu không sẽ bị bắt"
MISHEARD = "anh phải chuyển tiền vào tài khoản này ngay bây giờ nếu không thì thôi"
RUBBISH = "vậy vợ anh đi hôm bố mẹ vừa về đi vô vô trăm lâm ơi để đi"
FILING, LIVE, NONE = Level.FILING, Level.LIVE, Level.NONE
LABELS = {FILING: Label.SCAM, LIVE: Label.SUSPICIOUS, NONE: Label.CLEAN}
SCORES = {FILING: 0.95, LIVE: 0.6, NONE: 0.0}
THRESHOLD = 0.8


def judged(name: str, text: str, level: Level, *, label: Label | None = None) -> Judged:
    """What the engine ``name`` makes of a call; ``demo`` stands for a demonstration."""
    model = ModelInfo(name, Path(name), name * 8, 8000, 9, True, False, name == "demo", name)
    words = tuple(Word(word, n, n + 1, 1.0) for n, word in enumerate(text.split()))
    verdict = Verdict(
        label=label or LABELS[level],
        level=level,
        score=SCORES[level],
        pretexts=(),
        stages=(),
        reasons=(Reason("demand.money", "vi", "en", (0,)),),
        live_at_s=None if level is NONE else 1.0,
        filing_at_s=2.0 if level is FILING else None,
        rulebook_sha256="r",
    )
    return Judged(model, (Utterance(LegName.CALLER, 0, True, words, name),), (), verdict)


def last(verdict: Verdict) -> str:
    return verdict.reasons[-1].code


def test_what_the_first_files_stands_when_the_second_heard_rubbish():
    found = combine(judged("demo", THREAT, FILING), judged("real", RUBBISH, NONE), THRESHOLD)
    assert (found.verdict.label, found.verdict.level) == (Label.SCAM, FILING)
    assert not found.opinion.is_leading
    assert last(found.verdict) == "second_pass.differs"


def test_what_the_first_files_is_held_when_the_second_heard_the_same_words_as_harmless():
    found = combine(judged("real", THREAT, FILING), judged("other", MISHEARD, NONE), THRESHOLD)
    assert (found.verdict.label, found.verdict.level) == (Label.SUSPICIOUS, LIVE)
    assert found.verdict.score < THRESHOLD
    assert found.verdict.filing_at_s is None
    assert found.verdict.live_at_s == 1.0
    assert last(found.verdict) == "second_pass.contradicts"
    assert found.verdict.reasons[-1].is_against


def test_a_second_that_alone_hears_a_scam_does_not_file_over_a_real_first():
    found = combine(judged("real", RUBBISH, NONE), judged("other", THREAT, FILING), THRESHOLD)
    assert (found.verdict.level, found.opinion.is_leading) == (LIVE, True)
    assert last(found.verdict) == "second_pass.contradicts"


def test_a_demonstration_that_understood_nothing_cannot_stop_a_real_second():
    found = combine(judged("demo", RUBBISH, NONE), judged("real", THREAT, FILING), THRESHOLD)
    assert (found.verdict.level, found.opinion.is_leading) == (FILING, True)
    assert found.leading is found.second


def test_a_demonstration_s_second_pass_never_files_over_a_real_first():
    found = combine(judged("real", RUBBISH, NONE), judged("demo", THREAT, FILING), THRESHOLD)
    assert found.verdict.level is LIVE


@pytest.mark.parametrize(("first", "second"), [(FILING, LIVE), (LIVE, FILING), (FILING, FILING)])
def test_two_that_both_suspect_file(first, second):
    found = combine(judged("real", THREAT, first), judged("other", MISHEARD, second), THRESHOLD)
    assert found.verdict.level is FILING
    assert last(found.verdict) == "second_pass.agrees"


def test_one_that_heard_too_little_has_no_say():
    silent = judged("real", "a lô", NONE, label=Label.UNSURE)
    found = combine(silent, judged("other", THREAT, FILING), THRESHOLD)
    assert (found.verdict.level, found.opinion.is_leading) == (FILING, True)


@pytest.mark.parametrize("text", [RUBBISH, THREAT, ""])
def test_nothing_is_filed_that_neither_would_file(text):
    for first in (NONE, LIVE):
        for second in (NONE, LIVE):
            found = combine(judged("demo", THREAT, first), judged("real", text, second), THRESHOLD)
            assert found.verdict.level is max(first, second, key=[NONE, LIVE].index)


def test_both_engines_are_named_and_the_result_is_the_same_every_time():
    first, second = judged("demo", THREAT, FILING), judged("real", RUBBISH, NONE)
    found = combine(first, second, THRESHOLD)
    assert found == combine(first, second, THRESHOLD)
    for text in (found.verdict.reasons[-1].text_vi, found.verdict.reasons[-1].text_en):
        assert "demo" in text
        assert "real" in text
    assert found.verdict.reasons[:-1] == first.verdict.reasons


async def test_a_second_pass_that_fails_or_hangs_leaves_the_first_verdict_and_says_why():
    first, model = judged("demo", THREAT, FILING), judged("real", "", NONE).model

    async def dies() -> Judged:
        raise RecognitionError("It died.", why="killed", remedy="none")

    async def breaks() -> Judged:
        raise ValueError("odd")

    async def hangs() -> Judged:
        await asyncio.Event().wait()
        raise AssertionError

    for listen, why in ((dies, "killed"), (breaks, "odd"), (hangs, "not done within")):
        found = await hear_again(first, model, listen, THRESHOLD, 0.05, logger("ivr.test"))
        assert found.verdict == first.verdict
        assert found.second is None
        assert why in found.opinion.failure
        assert found.opinion.verdict is None
