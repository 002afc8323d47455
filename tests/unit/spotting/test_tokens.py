"""Words to syllables: numbers, units, signs and made-up times."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.call import LegName
from ivr.spotting.tokens import spoken, syllables, tokenize, utterances_from_turns


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("công", "công"),
        ("50tr", "năm mươi triệu"),
        ("22.000đ", "hai mươi hai nghìn đồng"),
        ("5656", "năm sáu năm sáu"),
        ("156", "một năm sáu"),
        ("10", "mười"),
        ("15", "mười năm"),
        ("0912", "không chín một hai"),
        ("3000000", "ba triệu"),
        ("500", "năm trăm"),
        ("230", "hai trăm ba mươi"),
        ("**21*", "sao sao hai mươi một sao"),
        ("OTP?", "otp"),
        ("😀", ""),
        ("30%", "ba mươi phần trăm"),
        ("2tỷ", "hai tỉ"),
        ("²", "hai"),
    ],
)
def test_words_as_they_are_said(word: str, said: str) -> None:
    assert " ".join(syllables(word)) == said


@given(st.text(max_size=30))
def test_any_word_gives_clean_syllables(word: str) -> None:
    for syllable in syllables(word):
        assert syllable
        assert " " not in syllable


@given(st.from_regex(r"[0-9]{1,14}", fullmatch=True))
def test_any_number_is_spoken(number: str) -> None:
    assert spoken(number)


def test_a_word_of_several_syllables_shares_its_time() -> None:
    utterance = utterances_from_turns([(LegName.CALLER, "nộp 50tr")])[0]
    tokens = tokenize(utterance)
    assert [token.text for token in tokens] == ["nộp", "năm", "mươi", "triệu"]
    assert [token.word for token in tokens] == [0, 1, 1, 1]
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(tokens))


def test_turns_follow_each_other_in_time() -> None:
    turns = [(LegName.CALLER, "a lô"), (LegName.CALLEE, ""), (LegName.CALLER, "chào chị")]
    utterances = utterances_from_turns(turns)
    assert [utterance.index for utterance in utterances] == [0, 1, 2]
    assert utterances[0].words[-1].end_s < utterances[2].words[0].start_s
