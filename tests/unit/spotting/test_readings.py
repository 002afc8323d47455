"""What a recogniser was unsure about: other readings of one utterance."""

from pathlib import Path

import pytest

from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.spotting.guards import UNCERTAIN_FACTOR
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter


@pytest.fixture(scope="module")
def spotter() -> Spotter:
    return Spotter(Rulebook.load(Path("config/rulebook/vi.yaml")))


def said(text: str, confidence: float = 1.0, start_s: float = 0.0) -> tuple[Word, ...]:
    return tuple(
        Word(word, start_s + 0.3 * n, start_s + 0.3 * n + 0.3, confidence)
        for n, word in enumerate(text.split())
    )


def heard(*readings: tuple[Word, ...], index: int = 0) -> Utterance:
    return Utterance(LegName.CALLER, index, True, readings[0], "", readings[1:])


def scores(spotter: Spotter, *utterances: Utterance) -> dict[str, float]:
    return {hit.concept: hit.score for hit in spotter.spot(utterances) if not hit.negated}


def test_a_phrase_that_only_another_reading_holds_is_found_and_believed_less(
    spotter: Spotter,
) -> None:
    likeliest, other = said("tôi là con ăn quận"), said("tôi là công an quận", 0.3)
    sure = scores(spotter, heard(said("tôi là công an quận")))["cong_an"]

    assert "cong_an" not in scores(spotter, heard(likeliest))
    assert 0 < scores(spotter, heard(likeliest, other))["cong_an"] < sure


def test_the_likelier_of_two_readings_speaks_for_a_phrase(spotter: Spotter) -> None:
    likeliest = said("tôi là con ăn quận")
    strong, weak = said("tôi là công an quận", 0.4), said("ông là công an quận", 0.1)
    both = scores(spotter, heard(likeliest, strong, weak))

    assert both["cong_an"] == scores(spotter, heard(likeliest, strong))["cong_an"]


def test_a_phrase_is_not_counted_twice_because_two_readings_hold_it(spotter: Spotter) -> None:
    sure = heard(said("tôi là công an quận"), said("tôi là công an quần", 0.4))
    found = [hit for hit in spotter.spot([sure]) if hit.concept == "cong_an"]

    assert len(found) == 1
    assert found == [
        hit
        for hit in spotter.spot([heard(said("tôi là công an quận"))])
        if hit.concept == "cong_an"
    ]


def test_a_denial_in_another_reading_lowers_the_score_and_never_raises_it(
    spotter: Spotter,
) -> None:
    plain = said("anh chuyển tiền ngay vào tài khoản này")
    denied = said("đừng chuyển tiền ngay vào tài khoản này", 0.3)
    alone = scores(spotter, heard(plain))["chuyen_tien"]

    assert scores(spotter, heard(plain, denied))["chuyen_tien"] == pytest.approx(
        alone * UNCERTAIN_FACTOR, abs=1e-3
    )


def test_readings_join_what_was_said_before_them(spotter: Spotter) -> None:
    before = heard(said("tôi là công"), index=0)
    after = heard(said("ăn quận", start_s=1.0), said("an quận", 0.4, start_s=1.0), index=1)

    assert "cong_an" in scores(spotter, before, after)
