"""The three phrases of the official warnings, misheard, and what only sounds like them."""

from collections.abc import Iterator

import pytest

from ivr.settings import PROJECT_ROOT
from ivr.spotting.spotter import Spotter

LINES = (PROJECT_ROOT / "tests/assets/spotting/target-phrases.tsv").read_text(encoding="utf-8")
CONCEPTS = ("cong_an", "thu_hoi_so_thue_bao", "chuyen_tien")
# what speaks of the same thing in the rulebook: one of them must be found
KIN = {
    "cong_an": {"cong_an", "xung_cong_an"},
    "thu_hoi_so_thue_bao": {"thu_hoi_so_thue_bao"},
    "chuyen_tien": {"chuyen_tien"},
}


def _lines(concept: str) -> Iterator[tuple[bool, str]]:
    for line in LINES.splitlines():
        if line.startswith(f"{concept}\t"):
            _, said, text = line.split("\t")
            yield said == "yes", text


@pytest.mark.parametrize("concept", CONCEPTS)
def test_target_phrases_are_found_and_near_misses_are_not(concept: str, spotter: Spotter) -> None:
    found, missed, false = [], [], []
    for is_said, text in _lines(concept):
        is_heard = bool(KIN[concept] & {hit.concept for hit in spotter.spot_text(text)})
        if is_said:
            (found if is_heard else missed).append(text)
        elif is_heard:
            false.append(text)
    precision = len(found) / (len(found) + len(false))
    recall = len(found) / (len(found) + len(missed))
    figures = f"{concept}: P {precision:.3f} R {recall:.3f}; missed {missed}; false {false}"
    print(figures)
    assert precision >= 0.9, figures
    assert recall >= 0.9, figures


def test_the_set_is_large_enough_to_mean_something() -> None:
    for concept in CONCEPTS:
        said = [is_said for is_said, _ in _lines(concept)]
        assert min(said.count(True), said.count(False)) >= 25
