"""The number in a report: as 156 wants it, and never the citizen's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.reporting.numbers import as_filed, is_own

MOBILE = st.from_regex(r"(3[2-9]|7[06-9]|8[1-9]|9[0-4])[0-9]{7}", fullmatch=True)


@pytest.mark.parametrize(
    ("number", "filed"),
    [
        ("+84987654321", "0987654321"),
        ("0084987654321", "0987654321"),
        ("0987 654 321", "0987654321"),
        ("+842623851234", "02623851234"),
        ("+375291234567", "+375291234567"),  # foreign: with plus, as displayed
        ("19001234", "19001234"),
        ("113", "113"),
        ("+840987654321", "0987654321"),
        ("+99912345", "+99912345"),  # no such country: kept as displayed
        ("VIETTEL", None),
        ("anonymous", None),
        ("<script>", None),
        ("", None),
        (None, None),
        ("٠٩٨٧٦٥٤٣٢١", None),
    ],
)
def test_spelling(number, filed):
    assert as_filed(number, None) == filed


@given(MOBILE, st.sampled_from(["+84{}", "0{}", "84{}", "0084{}", "+840{}", "0 {}", "+84-{}"]))
def test_the_subscribers_own_number_is_never_filed_however_it_is_written(digits, spelling):
    own = spelling.format(digits)
    assert as_filed(own, f"+84{digits}") is None
    assert as_filed(f"+84{digits}", own) is None
    assert is_own(own, f"0{digits}")


@given(MOBILE, MOBILE)
def test_another_number_is_filed(caller, subscriber):
    if caller != subscriber:
        assert as_filed(f"+84{caller}", f"+84{subscriber}") == f"0{caller}"


def test_a_number_with_the_subscribers_inside_is_not_filed():
    """Prefixes of gateways and dialling codes stand before it; better no message than that."""
    for wrapped in ("171840987654321", "9987654321", "+1987654321000"):
        assert as_filed(wrapped, "+84987654321") is None


def test_a_short_access_number_blocks_only_itself():
    assert as_filed("+84987651001", "1001") == "0987651001"
    assert as_filed("1001", "1001") is None
