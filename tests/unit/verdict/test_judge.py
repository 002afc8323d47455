"""The verdict: sequences convict, single phrases and other people's words do not."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Level, PhraseHit, Stage, Verdict
from ivr.facts.speech import Utterance, Word
from ivr.settings import VerdictSettings
from ivr.verdict.judge import SequenceJudge

JUDGE = SequenceJudge(VerdictSettings(), "digest")


def _hit(
    concept: str,
    stage: Stage,
    at_s: float,
    *,
    kind: str = "",
    pretext: str | None = None,
    weight: float = 0.7,
    leg: LegName = LegName.CALLER,
    negated: bool = False,
    quoted: bool = False,
) -> PhraseHit:
    return PhraseHit(
        phrase_id=concept,
        concept=concept,
        stage=stage,
        pretext=pretext,
        heard=concept,
        leg=leg,
        start_s=at_s,
        end_s=at_s + 1.0,
        score=1.0,
        negated=negated,
        is_final=True,
        rulebook_sha256="digest",
        kind=kind,
        weight=weight,
        quoted=quoted,
    )


def _said(count: int, leg: LegName = LegName.CALLER, word: str = "dạ") -> Utterance:
    words = tuple(Word(word, n * 0.2, n * 0.2 + 0.2, 1.0) for n in range(count))
    return Utterance(leg, 0, True, words, "model")


def _judge(hits: Sequence[PhraseHit], *, words: int = 40) -> Verdict:
    legs = sorted({hit.leg for hit in hits}) or [LegName.CALLER]
    return JUDGE.judge(hits, [_said(words, leg) for leg in legs], 60.0)


def _scam(leg: LegName = LegName.CALLER) -> list[PhraseHit]:
    return [
        _hit("xung", Stage.AUTHORITY, 1, kind="claim", leg=leg),
        _hit("rua_tien", Stage.ACCUSATION, 5, pretext="money_laundering", leg=leg),
        _hit("lenh_bat", Stage.THREAT, 10, kind="arrest", leg=leg),
        _hit("bi_mat", Stage.ISOLATION, 15, leg=leg),
        _hit("chuyen", Stage.DEMAND, 20, kind="money", leg=leg),
    ]


def _codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_the_whole_sequence_is_a_scam() -> None:
    verdict = _judge(_scam())
    assert (verdict.label, verdict.level) == (Label.SCAM, Level.FILING)
    assert verdict.pretexts == ("money_laundering",)
    assert verdict.stages == (
        Stage.AUTHORITY,
        Stage.ACCUSATION,
        Stage.THREAT,
        Stage.ISOLATION,
        Stage.DEMAND,
    )
    assert verdict.live_at_s is not None
    assert verdict.filing_at_s is not None
    assert verdict.live_at_s <= verdict.filing_at_s <= 21.0


@pytest.mark.parametrize("hit", _scam(), ids=lambda hit: hit.concept)
def test_no_single_phrase_convicts_or_warns(hit: PhraseHit) -> None:
    verdict = _judge([hit] * 20)
    assert verdict.level is Level.NONE
    assert verdict.live_at_s is None
    assert "gate.incomplete" in _codes(verdict)


@given(st.lists(st.sampled_from([s for s in Stage if s is not Stage.COUNTER]), max_size=12))
@settings(deadline=None)
def test_nothing_is_filed_without_ground_and_demand_or_threat(stages: list[Stage]) -> None:
    hits = [_hit(f"{stage}{n}", stage, n * 2.0) for n, stage in enumerate(stages)]
    if _judge(hits).level is Level.FILING:
        assert {Stage.AUTHORITY, Stage.CONTACT, Stage.ACCUSATION} & set(stages)
        assert {Stage.DEMAND, Stage.THREAT, Stage.ISOLATION} & set(stages)


def test_a_demand_before_any_claim_is_not_filed() -> None:
    early = [
        _hit("chuyen", Stage.DEMAND, 1, kind="money", weight=0.9),
        _hit("bi_mat", Stage.ISOLATION, 2, weight=0.9),
        _hit("xung", Stage.AUTHORITY, 30, kind="claim", weight=0.9),
        _hit("rua_tien", Stage.ACCUSATION, 32, weight=0.9),
    ]
    assert _judge(early).level is not Level.FILING


def test_what_the_callee_says_does_not_convict_the_caller() -> None:
    greeting = _hit("quang_cao", Stage.ADVERT, 0, weight=0.1)
    verdict = _judge([greeting, *_scam(LegName.CALLEE)])
    assert verdict.level is Level.NONE
    assert verdict.stages == ()


def test_our_own_voice_is_never_judged() -> None:
    assert _judge(_scam(LegName.AGENT)).level is Level.NONE


@pytest.mark.parametrize("leg", [LegName.MIXED, LegName.CHANNEL_1, LegName.CHANNEL_2])
def test_a_leg_nobody_can_name_is_judged(leg: LegName) -> None:
    assert _judge(_scam(leg)).label is Label.SCAM


def test_claims_on_one_channel_and_demands_on_the_other_do_not_add_up() -> None:
    scam = _scam(LegName.CHANNEL_1)
    split = [*scam[:1], _hit("chuyen", Stage.DEMAND, 20, kind="money", leg=LegName.CHANNEL_2)]
    assert _judge(split).level is Level.NONE


@pytest.mark.parametrize("mark", ["negated", "quoted"])
def test_denied_or_retold_words_count_little_and_speak_against(mark: str) -> None:
    hits = [
        _hit(hit.concept, hit.stage, hit.start_s, kind=hit.kind, **{mark: True}) for hit in _scam()
    ]
    verdict = _judge(hits)
    assert verdict.level is Level.NONE
    assert any(reason.code == "denial" and reason.is_against for reason in verdict.reasons)


@pytest.mark.parametrize(
    "kind", ["advice", "retelling", "media", "report", "interview", "family", "in_person"]
)
def test_evidence_against_lowers_the_score_and_is_shown(kind: str) -> None:
    thin = [*_scam()[:2], _hit("chuyen", Stage.DEMAND, 20, kind="money", weight=0.5)]
    counter = _hit("nguoc", Stage.COUNTER, 3, kind=kind, weight=0.8)
    without, with_it = _judge(thin), _judge([*thin, counter])
    assert with_it.score < without.score
    against = [reason for reason in with_it.reasons if reason.is_against]
    assert any(reason.hits == (3,) for reason in against)


def _only_filed_with_room(*extra: PhraseHit) -> Verdict:
    return _judge([*_scam()[1:], *extra])


def test_an_invitation_inside_advice_against_going_invites_nobody() -> None:
    thin = [*_scam()[:2], _hit("khoi_ra", Stage.ISOLATION, 20)]
    inside = _judge([*thin, _hit("ra_quay", Stage.COUNTER, 20.5, kind="in_person")])
    beside = _judge([*thin, _hit("ra_quay", Stage.COUNTER, 22, kind="in_person")])
    other = _judge(
        [*thin, _hit("ra_quay", Stage.COUNTER, 22, kind="in_person", leg=LegName.CALLEE)]
    )
    assert inside.score == _judge(thin).score == other.score
    assert beside.score < inside.score


@pytest.mark.parametrize("kind", ["retelling", "report"])
def test_what_is_clearly_told_is_never_filed(kind: str) -> None:
    told = [_hit(f"ke{n}", Stage.COUNTER, 0.5, kind=kind, weight=0.6) for n in range(2)]
    assert _only_filed_with_room().level is Level.FILING
    assert _only_filed_with_room(*told).level is not Level.FILING


def test_among_family_it_takes_more_than_a_story_and_a_wish_for_money() -> None:
    wish = [
        _hit("ket", Stage.CONTACT, 1, pretext="relative", weight=0.8),
        _hit("ket2", Stage.CONTACT, 2, pretext="relative", weight=0.8),
        _hit("chuyen", Stage.DEMAND, 5, kind="money", weight=0.9),
    ]
    family = _hit("me_oi", Stage.COUNTER, 0, kind="family", weight=0.6)
    assert _judge(wish).level is Level.FILING
    assert _judge([*wish, family]).level is not Level.FILING


def test_good_advice_helps_nobody_who_then_asks_for_the_code() -> None:
    office = _hit("bank", Stage.AUTHORITY, 1, kind="office")
    advice = _hit("dung_doc", Stage.COUNTER, 3, kind="advice", weight=0.8)
    code = _hit("doc_ma", Stage.DEMAND, 9, kind="code", pretext="otp", weight=0.9)
    money = _hit("chuyen", Stage.DEMAND, 9, kind="money", weight=0.9)
    lost_by_code = _judge([office, code]).score - _judge([office, advice, code]).score
    lost_by_money = _judge([office, money]).score - _judge([office, advice, money]).score
    assert 0 <= lost_by_code < lost_by_money


def test_an_advert_is_spam() -> None:
    assert _judge([_hit("quang_cao", Stage.ADVERT, 1)]).label is Label.SPAM


def test_an_ordinary_call_is_clean() -> None:
    assert _judge([]).label is Label.CLEAN


def test_too_little_heard_is_unsure_and_says_why() -> None:
    verdict = _judge([], words=3)
    assert verdict.label is Label.UNSURE
    assert _codes(verdict) == ["unsure.too_little_heard"]
    assert verdict.rulebook_sha256 == "digest"


def test_nothing_heard_is_unsure() -> None:
    assert JUDGE.judge([], [], 30.0).label is Label.UNSURE


def test_another_language_is_unsure() -> None:
    verdict = JUDGE.judge([], [_said(40, word="hello")], 20.0)
    assert verdict.label is Label.UNSURE
    assert _codes(verdict) == ["unsure.no_vietnamese"]


def test_of_partials_and_final_only_the_last_counts() -> None:
    partial = [_said(5)] * 30
    assert JUDGE.judge([], partial, 20.0).label is Label.UNSURE


def test_every_reason_is_bilingual_and_points_at_hits() -> None:
    hits = [*_scam(), _hit("nguoc", Stage.COUNTER, 22, kind="advice")]
    for reason in _judge(hits).reasons:
        assert reason.text_vi
        assert reason.text_en
        assert all(0 <= index < len(hits) for index in reason.hits)


def test_levels_are_reached_once_and_remembered() -> None:
    kinds = ("report", "advice", "retelling", "family", "in_person", "everyday")
    hits = [
        *_scam(),
        *[_hit(f"c{n}", Stage.COUNTER, 30 + n, kind=k, weight=1.0) for n, k in enumerate(kinds)],
    ]
    verdict = _judge(hits)
    assert verdict.level is not Level.FILING
    assert verdict.filing_at_s is not None


def test_thresholds_come_from_the_settings() -> None:
    strict = SequenceJudge(VerdictSettings(live_threshold=1.0, filing_threshold=1.0))
    assert strict.judge(_scam(), [_said(40)], 60.0).level is Level.NONE


@given(st.permutations(range(5)))
@settings(deadline=None)
def test_the_verdict_hangs_on_time_and_not_on_the_order_of_the_list(order: list[int]) -> None:
    hits = _scam()
    shuffled = _judge([hits[n] for n in order])
    straight = _judge(hits)
    assert (shuffled.score, shuffled.live_at_s, shuffled.filing_at_s) == (
        straight.score,
        straight.live_at_s,
        straight.filing_at_s,
    )


def test_the_same_call_gives_the_same_verdict_byte_for_byte() -> None:
    assert repr(_judge(_scam())) == repr(_judge(_scam()))


def test_twenty_thousand_hits_are_judged_in_reasonable_time() -> None:
    stages = (Stage.CONTACT, Stage.COUNTER)
    hits = [
        _hit(f"c{n % 60}", stages[n % 2], n * 0.5, kind="in_person" if n % 2 else "")
        for n in range(20_000)
    ]
    assert _judge(hits).live_at_s is None
