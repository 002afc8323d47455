"""Explanations: they agree with the matcher and say what was wrong."""

import pytest

from ivr.spotting.alignment import align
from ivr.spotting.explain import explain, render
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter


def test_a_hit_is_explained_word_by_word(spotter: Spotter) -> None:
    explanation = explain(spotter, "truyển tiềng")
    found = next(one for one in explanation.candidates if one.concept == "chuyen_tien")
    assert found.is_hit
    assert [(step.expected, step.heard) for step in found.steps] == [
        ("chuyển", "truyển"),
        ("tiền", "tiềng"),
    ]
    assert found.steps[0].parts["initial"] > 0
    assert found.steps[1].parts["coda"] > 0


def test_a_near_miss_names_the_word_that_is_too_far(spotter: Spotter) -> None:
    explanation = explain(spotter, "con ăn sáng chưa")
    near = next(one for one in explanation.candidates if one.concept == "cong_an")
    assert not near.is_hit
    assert "too far" in near.why
    assert "quá nhiều" in near.why_vi
    text = render(explanation)
    assert "- cong_an" in text
    assert "nucleus" in text


@pytest.mark.parametrize("text", ["", "xyz", "chuyển tiền"])
def test_any_text_can_be_explained(spotter: Spotter, text: str) -> None:
    assert render(explain(spotter, text)).startswith("heard as:")


def test_alignment_and_automaton_agree_on_what_the_rulebook_says(
    rulebook: Rulebook, spotter: Spotter
) -> None:
    """A variant said exactly costs nothing and is found; none is its concept's own sound-alike."""
    checked = 0
    for phrase in rulebook.phrases:
        for variant in phrase.variants[:20]:
            if any(symbol.startswith(("{", "...")) for symbol in variant):
                continue
            aligned = align(variant, list(variant), rulebook.lists, rulebook.matching)
            assert aligned.mean == 0.0
            hits = spotter.spot_text(" ".join(variant))
            assert any(hit.concept == phrase.concept for hit in hits), variant
            checked += 1
    assert checked > 300
