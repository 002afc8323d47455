"""The cost table: symmetric, bounded, and true to the pairs it was measured on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.spotting.costs import Region, distance, indexes, parts, tables
from ivr.spotting.syllable import Syllable, legal_syllables, parse

LEGAL = tuple(legal_syllables())
syllables = st.sampled_from(LEGAL).map(lambda word: _parsed(word))
regions = st.sampled_from([None, *Region])


def _parsed(word: str) -> Syllable:
    found = parse(word)
    assert found is not None
    return found


def _phrase(a: str, b: str) -> tuple[float, float]:
    costs = [distance(_parsed(x), _parsed(y)) for x, y in zip(a.split(), b.split(), strict=True)]
    return sum(costs) / len(costs), max(costs)


@given(syllables, syllables, regions)
def test_distance_is_symmetric_and_between_nought_and_one(
    a: Syllable, b: Syllable, region: Region | None
) -> None:
    assert distance(a, b, region) == pytest.approx(distance(b, a, region))
    assert 0.0 <= distance(a, b, region) <= 1.0


@given(syllables, regions)
def test_a_syllable_is_at_no_distance_from_itself(a: Syllable, region: Region | None) -> None:
    assert distance(a, a, region) == 0.0


@given(syllables, syllables)
def test_without_a_region_only_the_same_syllable_is_at_no_distance(
    a: Syllable, b: Syllable
) -> None:
    assert (distance(a, b) == 0.0) == (a == b)


@given(syllables, syllables, st.sampled_from(list(Region)))
def test_a_region_may_lower_a_cost_and_never_raises_it(
    a: Syllable, b: Syllable, region: Region
) -> None:
    assert distance(a, b, region) <= distance(a, b) + 1e-12


@given(syllables, syllables, regions)
def test_the_parts_sum_up_to_the_distance(a: Syllable, b: Syllable, region: Region | None) -> None:
    assert sum(parts(a, b, region).values()) == pytest.approx(distance(a, b, region))


@given(syllables, syllables, regions)
def test_the_tables_say_the_same_as_the_rules(
    a: Syllable, b: Syllable, region: Region | None
) -> None:
    rows, columns = indexes(a), indexes(b)
    looked_up = sum(
        table[row, column] for table, row, column in zip(tables(region), rows, columns, strict=True)
    )
    assert np.isclose(looked_up, distance(a, b, region))


@pytest.mark.parametrize(
    ("meant", "heard", "mean", "worst"),
    [
        ("công an", "công ang", 0.02, 0.03),
        ("viện kiểm sát", "viện kiểm xác", 0.02, 0.07),
        ("chuyển tiền", "truyển tiềng", 0.04, 0.04),
        ("thu hồi số thuê bao", "tu hồi xố thê bao", 0.05, 0.12),
        ("tài khoản", "tài hoảng", 0.07, 0.14),
        ("bảo lãnh", "bão lảnh", 0.01, 0.01),
        ("khởi tố", "khỡi tố", 0.003, 0.005),
        ("công an", "con ăn", 0.10, 0.11),
        ("công an", "trông an", 0.14, 0.27),
        ("chuyển tiền", "chuyển tiếp", 0.15, 0.30),
        ("rửa tiền", "gửi tiền", 0.20, 0.39),
        ("thu hồi", "thu hút", 0.23, 0.47),
        ("không", "công", 0.11, 0.11),
        ("đừng", "đúng", 0.22, 0.22),
        ("thuê", "thêm", 0.23, 0.23),
    ],
)
def test_measured_pairs(meant: str, heard: str, mean: float, worst: float) -> None:
    got_mean, got_worst = _phrase(meant, heard)
    assert got_mean == pytest.approx(mean, abs=0.006)
    assert got_worst == pytest.approx(worst, abs=0.006)


@pytest.mark.parametrize(("a", "b"), [("lừa", "nừa"), ("rửa", "dửa"), ("việc", "diệc")])
def test_regional_initials_stay_close(a: str, b: str) -> None:
    assert distance(_parsed(a), _parsed(b)) <= 0.07


@pytest.mark.parametrize(("a", "b"), [("lý do", "giữ cho"), ("kiên nhẫn", "lăn kềnh")])
def test_gross_recogniser_errors_are_out_of_reach(a: str, b: str) -> None:
    assert _phrase(a, b)[0] > 0.4
