"""Parts of a message: as many as the counter says, and readable by another program's rules."""

import pytest
import smpplib.gsm
from hypothesis import given
from hypothesis import strategies as st

from ivr.reporting.gsm import BASIC, EXTENDED, segments
from ivr.reporting.sms_parts import GSM7, UCS2, sms_parts

GSM_LETTERS = sorted(BASIC | EXTENDED)
ANY = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=700)


def user_data(parts):
    return [part.data[6:] if part.has_header else part.data for part in parts]


@given(st.one_of(st.text(st.sampled_from(GSM_LETTERS), min_size=1, max_size=700), ANY))
def test_there_are_as_many_parts_as_were_counted_and_none_is_too_long(text):
    counted, parts = segments(text), sms_parts(text, 7)
    assert len(parts) == counted.parts
    assert {part.coding for part in parts} == {GSM7 if counted.encoding == "gsm7" else UCS2}
    for n, (part, data) in enumerate(zip(parts, user_data(parts), strict=True), start=1):
        longest = (153 if part.coding == GSM7 else 134) if part.has_header else 160
        assert len(data) <= longest
        if part.has_header:
            assert part.data[:6] == bytes([5, 0, 3, 7, len(parts), n])
        if part.coding == UCS2:
            data.decode("utf-16-be")  # no surrogate pair was parted
        else:
            assert not data.endswith(b"\x1b")
    if counted.encoding == "ucs2":
        assert b"".join(user_data(parts)).decode("utf-16-be") == text


# Its table has a grave accent in place of the section sign, and no form feed.
@pytest.mark.parametrize("letter", [each for each in GSM_LETTERS if each not in "\f§"])
def test_every_letter_has_the_code_that_smpplib_gives_it(letter):
    (part,) = sms_parts(letter, 0)
    assert part.data == smpplib.gsm.gsm_encode(letter)


def test_the_same_message_has_the_same_parts():
    assert sms_parts("x" * 400, 9) == sms_parts("x" * 400, 9)


def test_more_parts_than_can_be_numbered_are_refused():
    with pytest.raises(ValueError, match="at most 255"):
        sms_parts("x" * (153 * 255 + 1), 0)
