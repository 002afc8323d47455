"""Numbers that are read aloud are found; quantities and small talk are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.spotting.read_numbers import DIGITS, read_numbers


def said(text: str, start_s: float = 0.0, leg: LegName = LegName.CALLER) -> Utterance:
    """Two words a second."""
    words = tuple(
        Word(word, start_s + n / 2, start_s + n / 2 + 0.4, 0.9)
        for n, word in enumerate(text.split())
    )
    return Utterance(leg, 0, True, words, "a" * 64)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("số tài khoản không chín một hai ba bốn năm sáu bảy nhé", 9),
        ("mã là một hai ba dạ bốn năm sáu", 6),
        ("chín mươi tám hai mươi ba bốn mươi lăm", 6),
        ("căn cước 079 085 001234 của anh", 12),
        ("the code is one two three four five six", 6),
    ],
)
def test_a_number_read_digit_by_digit_is_found(text, digits):
    (number,) = read_numbers([said(text)], 6)
    assert number.digits == digits


@pytest.mark.parametrize(
    "text",
    [
        "chuyển năm trăm nghìn rồi hai trăm ba mươi nghìn",
        "không không tôi không biết ba tôi năm nay bảy mươi hai tuổi",
        "một hai ba bốn năm",
        "",
    ],
)
def test_quantities_and_small_talk_are_not(text):
    assert read_numbers([said(text)], 6) == ()


def test_a_number_goes_on_after_a_pause_but_not_after_a_long_one():
    first, rest = said("không chín một hai"), "ba bốn năm sáu"
    (number,) = read_numbers([first, said(rest, 5.0)], 6)
    assert (number.start_s, number.end_s, number.digits) == (0.0, 6.9, 8)
    assert read_numbers([first, said(rest, 9.0)], 6) == ()


def test_the_digits_of_two_people_are_not_one_number():
    both = [said("một hai ba"), said("bốn năm sáu", 2.0, LegName.CALLEE)]
    assert read_numbers(both, 6) == ()


@given(st.lists(st.sampled_from([*sorted(DIGITS), "mươi", "dạ", "tiền", "12", "…"]), max_size=30))
def test_whatever_is_said_every_long_run_lies_within_a_found_span(words):
    found = read_numbers([said(" ".join(words))], 6)
    for start in range(len(words) - 5):
        if all(word in DIGITS for word in words[start : start + 6]):
            first_s, last_s = start / 2, (start + 5) / 2 + 0.4
            assert any(n.start_s <= first_s and last_s <= n.end_s for n in found)
    assert all(number.digits >= 6 for number in found)
