"""Numbers as networks show them → E.164, by Vietnam's numbering plan."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ivr.telephony.numbers import MOVED_2018, Number, normalise


@pytest.mark.parametrize(
    ("shown", "e164", "flags"),
    [
        ("0901234567", "+84901234567", ()),
        ("+84901234567", "+84901234567", ()),
        ("84901234567", "+84901234567", ()),
        ("0084901234567", "+84901234567", ("international_prefix",)),
        ("+840901234567", "+84901234567", ("double_zero",)),
        ("840901234567", "+84901234567", ("double_zero",)),
        ("00840901234567", "+84901234567", ("international_prefix", "double_zero")),
        ("+084901234567", "+84901234567", ("plus_zero",)),
        ("+0901234567", "+84901234567", ("plus_zero",)),
        ("901234567", "+84901234567", ("no_prefix",)),
        ("+84 90-123.45(67)", "+84901234567", ()),
        ("０９０１２３４５６７", "+84901234567", ()),
        ("٠٩٠١٢٣٤٥٦٧", "+84901234567", ()),
        ("0521234567", "+84521234567", ()),  # Vietnamobile; libphonenumber calls it invalid
        ("0551234567", "+84551234567", ()),  # Wintel; the same
        ("01621234567", "+84321234567", ("old_prefix",)),
        ("+841991234567", "+84591234567", ("old_prefix",)),
        ("02499970411", "+842499970411", ()),
        ("0249997041", "+84249997041", ("invalid",)),  # printed so in warnings of the press
        ("0692123456", "+84692123456", ("police_army_range",)),
        ("+84069212345", "+8469212345", ("double_zero", "police_army_range")),
        ("08012345", "+848012345", ("party_state_range",)),
        ("19001234", "+8419001234", ("premium_1900",)),
        ("1900123456", "+841900123456", ("premium_1900",)),
        ("18001091", "+8418001091", ("free_1800",)),
        ("113", None, ("short_code", "emergency_number")),
        ("0113", None, ("short_code", "emergency_number")),
        ("+84113", None, ("short_code", "emergency_number")),
        ("198", None, ("short_code",)),
        ("+842173812345", "+842173812345", ("unknown_area_code",)),
        ("+849012345678901", None, ("invalid",)),
        ("+870773123456", "+870773123456", ("unexpected_country",)),
        ("+60123456789", "+60123456789", ("unexpected_country",)),
        ("00375291234567", "+375291234567", ("international_prefix", "unexpected_country")),
        ("+224621234567", "+224621234567", ("callback_trap",)),
        ("+14155552671", "+14155552671", ("foreign",)),
        ("+999123", None, ("foreign", "invalid")),
        ("anonymous", None, ()),
        ("Công an", None, ()),
        ("", None, ()),
        ("+", None, ()),
        ("0901234567x", None, ()),
        ("09012345678901234567890123456789", None, ("invalid", "impossible_length")),
    ],
)
def test_a_shown_number_becomes(shown: str, e164: str | None, flags: tuple[str, ...]) -> None:
    assert normalise(shown) == Number(e164, flags)


@pytest.mark.parametrize("old", sorted(MOVED_2018))
def test_every_prefix_that_moved_in_2018_moves(old: str) -> None:
    read = normalise(f"0{old}1234567")
    assert read == Number(f"+84{MOVED_2018[old]}1234567", ("old_prefix",))


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_a_number_or_none(shown: str) -> None:
    read = normalise(shown)
    if read.e164 is not None:
        assert read.e164[0] == "+"
        assert read.e164[1:].isascii()
        assert read.e164[1:].isdigit()


@settings(max_examples=400, deadline=None)
@example("00200000000000")
@given(st.from_regex(r"\+?0{0,2}(84)?0?[0-9]{3,12}", fullmatch=True))
def test_a_number_read_twice_is_the_same_number(shown: str) -> None:
    once = normalise(shown).e164
    if once is not None:
        assert normalise(once).e164 == once
