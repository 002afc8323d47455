"""Numbers are said as people say them; a parser that knows only the grammar reads them back."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialogue import listing, spoken
from ivr.dialogue.spoken import PAUSE, as_text
from ivr.settings import PROJECT_ROOT

VI_ONES = {"không": 0, "một": 1, "mốt": 1, "hai": 2, "ba": 3, "bốn": 4, "tư": 4, "năm": 5}
VI_ONES |= {"lăm": 5, "sáu": 6, "bảy": 7, "tám": 8, "chín": 9}
EN_SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen
    fourteen fifteen sixteen seventeen eighteen nineteen"""
EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
EN_VALUES = {word: n for n, word in enumerate(EN_SMALL.split())}
EN_VALUES |= {word: 10 * n for n, word in enumerate(EN_TENS.split(), start=2)}
LARGE = st.tuples(st.integers(1, 99), st.integers(3, 9), st.integers(0, 99))


def read_vi(text: str) -> int:
    """Vietnamese number words → number; written from the grammar, not from the speaker."""
    total = group = 0
    for word in text.split():
        match word:
            case "trăm":
                group = group // 10 * 10 * 10 + group % 10 * 100
            case "mươi":
                group = group // 10 * 10 + group % 10 * 10
            case "mười":
                group += 10
            case "linh" | "lẻ":
                pass
            case "nghìn" | "ngàn":
                total, group = total + group * 1000, 0
            case "triệu":
                total, group = total + group * 10**6, 0
            case "tỷ":
                total, group = (total + group) * 10**9, 0
            case _:
                group += VI_ONES[word]
    return total + group


def read_en(text: str) -> int:
    total = group = 0
    for word in text.replace(" and ", " ").split():
        match word:
            case "hundred":
                group *= 100
            case "thousand":
                total, group = total + group * 1000, 0
            case "million":
                total, group = total + group * 10**6, 0
            case "billion":
                total, group = (total + group) * 10**9, 0
            case _:
                group += EN_VALUES[word]
    return total + group


numbers = st.one_of(
    st.integers(0, 10**12),
    st.integers(0, 2000),
    st.builds(lambda digit, power: digit * 10**power, st.integers(1, 9), st.integers(0, 11)),
    LARGE.map(lambda parts: parts[0] * 10 ** parts[1] + parts[2]),
)


@given(numbers, st.sampled_from(["north", "south"]))
def test_every_number_in_vietnamese_reads_back(n, region):
    assert read_vi(as_text(spoken.integer(n, "vi", region), "vi")) == n


@given(numbers)
def test_every_number_in_english_reads_back(n):
    assert read_en(as_text(spoken.integer(n, "en"), "en")) == n


def test_every_number_to_ten_thousand_reads_back_and_no_two_sound_alike():
    said = {}
    for n in range(10_001):
        for region in ("north", "south"):
            text = as_text(spoken.integer(n, "vi", region), "vi")
            assert read_vi(text) == n
            assert said.setdefault(text, n) == n


@pytest.mark.parametrize(
    ("n", "north"),
    [
        (0, "không"),
        (10, "mười"),
        (15, "mười lăm"),
        (21, "hai mươi mốt"),
        (24, "hai mươi tư"),
        (25, "hai mươi lăm"),
        (50, "năm mươi"),
        (101, "một trăm linh một"),
        (111, "một trăm mười một"),
        (1005, "một nghìn không trăm linh năm"),
        (1_200_000, "một triệu hai trăm nghìn"),
        (1_000_001, "một triệu không trăm linh một"),
        (2_000_000_000, "hai tỷ"),
        (10**12, "một nghìn tỷ"),
    ],
)
def test_vietnamese_numbers_are_said_so(n, north):
    assert as_text(spoken.integer(n, "vi"), "vi") == north
    south = north.replace("linh", "lẻ").replace("nghìn", "ngàn")
    assert as_text(spoken.integer(n, "vi", "south"), "vi") == south


def test_money_ends_in_dong():
    text = as_text(spoken.money(1_200_000, "vi"), "vi")
    assert text == "một triệu hai trăm nghìn đồng"
    assert as_text(spoken.money(22_000, "en"), "en") == "twenty two thousand dong"


@pytest.mark.parametrize("n", [-1, 10**12 + 1])
def test_a_number_out_of_range_is_refused(n):
    with pytest.raises(ValueError, match="between"):
        spoken.integer(n, "vi")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("+84987654321", "không chín tám bảy, sáu năm bốn, ba hai một"),
        ("+842623845012", "không hai sáu hai, ba tám bốn, năm không một hai"),
        ("19001234", "một chín, không không một, hai ba bốn"),
        ("+375291234567", "cộng, ba bảy năm, hai chín một, hai ba bốn, năm sáu bảy"),
        ("113", "một một ba"),
        ("", ""),
    ],
)
def test_telephone_numbers_are_said_digit_by_digit_in_groups(number, said):
    assert as_text(spoken.telephone(number), "vi") == said


@given(st.text("0123456789", max_size=20))
def test_no_digit_of_a_telephone_number_is_lost_or_added(digits):
    said = [piece for piece in spoken.telephone(digits) if piece != PAUSE]
    assert said == [f"n_{digit}" for digit in digits]


def test_a_forwarding_code_is_said_key_by_key():
    assert as_text(spoken.keys("**61*"), "vi") == "sao sao sáu một sao"
    assert as_text(spoken.keys("##21#"), "en") == "hash hash two one hash"


def test_times_and_dates():
    moment = datetime(2026, 11, 5, 9, 15)  # noqa: DTZ001 - what is said is the wall clock
    assert as_text(spoken.clock(moment, "vi"), "vi") == "chín giờ mười lăm phút"
    assert as_text(spoken.clock(moment.replace(minute=0), "vi"), "vi") == "chín giờ"
    assert as_text(spoken.clock(moment.replace(minute=5), "en"), "en") == "nine zero five"
    assert as_text(spoken.clock(moment.replace(minute=0), "en"), "en") == "nine hundred"
    assert as_text(spoken.date(moment, "vi"), "vi") == (
        "ngày năm tháng mười một năm hai nghìn không trăm hai mươi sáu"
    )
    assert as_text(spoken.date(moment, "en"), "en") == "five November two thousand and twenty six"


@given(st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 31)), st.sampled_from(["vi", "en"]))  # noqa: DTZ001 - as above
def test_every_piece_that_can_be_asked_for_is_recorded(moment, language):
    recorded = {e.id for e in listing.read(PROJECT_ROOT / "prompts") if e.language == language}
    for region in ("north", "south"):
        said = spoken.clock(moment, language, region) + spoken.date(moment, language, region)
        assert set(said) <= recorded
    assert set(spoken.VOCABULARY[language]) <= recorded
