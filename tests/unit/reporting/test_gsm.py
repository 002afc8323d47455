"""SMS length: Vietnamese costs 70 letters a part, plain letters 160."""

import smsutil
from hypothesis import given
from hypothesis import strategies as st

from ivr.reporting.gsm import BASIC, EXTENDED, segments, without_diacritics

GSM = st.text(alphabet=sorted(BASIC | EXTENDED), max_size=500)
# smsutil counts a lone escape as a letter of GSM-7; it is no letter, so it is left out here.
ANY = st.text(alphabet=st.characters(exclude_characters="\x1b", codec="utf-8"), max_size=300)


def test_known_lengths():
    assert segments("a" * 160).parts == 1
    assert segments("a" * 161).parts == 2
    assert segments("€" * 80).parts == 1
    assert segments("€" * 80 + "1").parts == 2
    assert segments("đ" * 70).parts == 1
    assert segments("đ" * 71).parts == 2
    assert segments("") == segments("").__class__("gsm7", 0, 0)


@given(GSM)
def test_plain_text_is_counted_as_smsutil_counts_it(text):
    oracle = smsutil.split(text)
    if text:
        assert segments(text).parts == len(oracle.parts)


@given(ANY)
def test_any_text_is_counted_as_smsutil_counts_it(text):
    if not text:
        return
    counted, oracle = segments(text), smsutil.split(text)
    assert counted.encoding == {"gsm0338": "gsm7", "utf_16_be": "ucs2"}[oracle.encoding]
    assert counted.parts == len(oracle.parts)


@given(ANY)
def test_stripped_text_is_always_gsm_and_stays_so(text):
    plain = without_diacritics(text)
    assert segments(plain).encoding == "gsm7"
    assert without_diacritics(plain) == plain


def test_vietnamese_is_stripped_in_either_normal_form():
    assert without_diacritics("Đòi chuyển tiền, ĐẮK LẮK") == "Doi chuyen tien, DAK LAK"
    assert without_diacritics("chuye\u0302\u0309n tie\u0302\u0300n") == "chuyen tien"
    assert without_diacritics("a`b\x00c 😀 “x” – y…") == 'a b c "x" - y...'
