"""LD, V and S messages: three slots, one part, nothing that misleads the short code."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.reporting.gsm import segments
from ivr.reporting.sms import KEYWORDS, short_message

CLOSING = "09:12 24/11/2026, co ghi am"
CONTENT = ["Mạo danh công an tỉnh", "dọa khởi tố", "đòi chuyển tiền"]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("A", "LD (0987654321) (Mao danh cong an tinh, doa khoi to, doi chuyen tien, {})"),
        ("B", "LD [0987654321][Mao danh cong an tinh, doa khoi to, doi chuyen tien, {}]"),
        ("C", "LD 0987654321 Mao danh cong an tinh, doa khoi to, doi chuyen tien, {}"),
    ],
)
def test_the_three_published_forms(form, message):
    made = short_message("LD", "0987654321", CONTENT, CLOSING, form)
    assert made == message.format(CLOSING)


@given(
    st.sampled_from(["LD", "V", "S"]),
    st.from_regex(r"\+?[0-9]{3,15}", fullmatch=True),
    st.lists(st.text(max_size=120) | st.sampled_from([*sorted(KEYWORDS), "s ms", "Hủy dnc"])),
    st.sampled_from(["A", "B", "C"]),
)
def test_whatever_was_heard_the_message_keeps_its_grammar(keyword, number, content, form):
    message = short_message(keyword, number, content, CLOSING, form)
    counted = segments(message)
    assert (counted.encoding, counted.parts) == ("gsm7", 1)
    pattern = {
        "A": r"(\w+) \((\+?\d+)\) \(([^()\[\]]+)\)",
        "B": r"(\w+) \[(\+?\d+)\]\[([^()\[\]]+)\]",
        "C": r"(\w+) (\+?\d+) ([^()\[\]]+)",
    }[form]
    found = re.fullmatch(pattern, message)
    assert found, message
    assert found[1] == keyword
    assert found[2] == number
    assert found[3].endswith(CLOSING)
    first = re.match(r"\W*(\w*)", found[3])[1].upper()
    assert first not in KEYWORDS


@given(st.text(alphabet="0123456789 .-/+x,", max_size=60), st.sampled_from(["A", "B", "C"]))
def test_no_telephone_or_account_number_gets_into_the_content(text, form):
    message = short_message("LD", "113", ["Mao danh", text], CLOSING, form)
    content = message.removesuffix(CLOSING + {"A": ")", "B": "]", "C": ""}[form])
    assert not re.search(r"\d(?:\W*\d){5,}", content.split("113", 1)[1])


def test_what_does_not_fit_is_left_out_from_the_end_but_time_and_recording_stay():
    long = ["Mao danh cong an", *[f"doa dieu thu {n} rat dai dong" for n in range(9)]]
    message = short_message("LD", "0987654321", long, CLOSING, "A")
    assert segments(message).units <= 160
    assert "Mao danh cong an, doa dieu thu 0" in message
    assert message.endswith(f"{CLOSING})")
