"""Errors and their uncertainty are counted right, on examples small enough to check by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.bench.counting import Errors, Matched, Rate, align, compare, match, poisson
from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit, Stage

SYLLABLES = st.lists(st.sampled_from(["anh", "chị", "tiền", "tiện", "công"]), max_size=8)


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("", "", (0, 0, 0)),
        ("công an", "công an", (0, 0, 0)),
        ("công an tỉnh", "công ăn tỉnh", (1, 0, 0)),
        ("công an tỉnh", "công tỉnh", (0, 1, 0)),
        ("công tỉnh", "công an tỉnh", (0, 0, 1)),
        ("công an", "", (0, 2, 0)),
        ("", "a lô", (0, 0, 2)),
        ("anh chuyển tiền ngay", "chuyện tiền ngay đi", (1, 1, 1)),
    ],
)
def test_an_alignment_names_what_went_wrong(
    said: str, heard: str, expected: tuple[int, int, int]
) -> None:
    assert align(said.split(), heard.split()) == expected


@given(SYLLABLES, SYLLABLES)
def test_an_alignment_accounts_for_every_syllable(said: list[str], heard: list[str]) -> None:
    substituted, deleted, inserted = align(said, heard)
    assert len(said) - deleted + inserted == len(heard)
    assert substituted + deleted + inserted <= max(len(said), len(heard))
    assert (substituted + deleted + inserted == 0) == (said == heard)
    backwards = align(heard, said)
    assert sum(backwards) == substituted + deleted + inserted


def test_tones_are_ignored_beside() -> None:
    errors = compare(["chuyển", "tiền", "cho", "anh"], ["chuyện", "tiền", "có", "anh"])
    assert errors == Errors(said=4, substituted=2, toneless=1)
    assert errors.rate == 0.5
    assert errors.toneless_rate == 0.25


def test_two_spellings_of_one_sound_are_one_without_tone() -> None:
    # "da" and "gia" have the same parts; with tones spelling counts
    assert compare(["gia"], ["da"]).toneless == 0


def test_errors_add_up() -> None:
    total = Errors(4, 1, 0, 2, 1) + Errors(6, 1, 1, 0, 2)
    assert total == Errors(10, 2, 1, 2, 3)
    assert total.rate == pytest.approx(0.5)
    assert math.isnan(Errors().rate)


@pytest.mark.parametrize(
    ("events", "low", "high"),
    # Garwood's exact limits as tabulated by Ulm (1990)
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)],
)
def test_the_poisson_interval_is_the_tabulated_one(events: int, low: float, high: float) -> None:
    assert poisson(events) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_the_poisson_interval_holds_for_many_events() -> None:
    low, high = poisson(2000)
    assert low == pytest.approx(2000 - 1.96 * math.sqrt(2000), rel=0.01)
    assert high == pytest.approx(2000 + 1.96 * math.sqrt(2000), rel=0.01)


def test_a_rate_is_per_hours_of_watching() -> None:
    value, low, high = Rate(3, 1.5).per(10)
    assert value == pytest.approx(20.0)
    assert low < value < high
    assert Rate(0, 2.0).per(1)[2] == pytest.approx(3.689 / 2, abs=1e-3)
    assert all(math.isnan(one) for one in Rate(0, 0.0).per(1))


def hit(concept: str, start_s: float, leg: LegName = LegName.CALLER) -> PhraseHit:
    return PhraseHit(
        phrase_id=f"{concept}.1",
        concept=concept,
        stage=Stage.AUTHORITY,
        pretext=None,
        heard="",
        leg=leg,
        start_s=start_s,
        end_s=start_s + 0.5,
        score=1.0,
        negated=False,
        is_final=True,
        rulebook_sha256="",
    )


def test_hits_are_matched_one_to_one() -> None:
    said = [hit("cong_an", 2.0), hit("cong_an", 9.0), hit("chuyen_tien", 5.0)]
    heard = [hit("cong_an", 2.4), hit("cong_an", 2.9), hit("chuyen_tien", 5.0)]
    assert match(said, heard, 1.5) == Matched(found=2, missed=1, false=1)
    assert match(said, heard, 1.5).said == 3


@pytest.mark.parametrize(
    "other",
    [hit("chuyen_tien", 2.0), hit("cong_an", 2.0, LegName.CALLEE), hit("cong_an", 4.1)],
    ids=["another concept", "another leg", "too late"],
)
def test_a_hit_elsewhere_is_a_false_alarm(other: PhraseHit) -> None:
    assert match([hit("cong_an", 2.0)], [other], 1.5) == Matched(0, 1, 1)
