"""Properties of the Vietnamese syllable model."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.spotting.syllable import (
    CODAS,
    INITIALS,
    NUCLEI,
    STOPS,
    Syllable,
    Tone,
    canonical,
    fold,
    legal_syllables,
    parse,
    spell,
)

LEGAL = tuple(legal_syllables())
legal = st.sampled_from(LEGAL)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("công", ("k", "", "ô", "ng", Tone.NGANG)),
        ("an", ("", "", "a", "n", Tone.NGANG)),
        ("chuyển", ("ch", "w", "iê", "n", Tone.HOI)),
        ("tiền", ("t", "", "iê", "n", Tone.HUYEN)),
        ("thuê", ("th", "w", "ê", "", Tone.NGANG)),
        ("gì", ("d", "", "i", "", Tone.HUYEN)),
        ("giếng", ("d", "", "iê", "ng", Tone.SAC)),
        ("giữ", ("d", "", "ư", "", Tone.NGA)),
        ("ghi", ("g", "", "i", "", Tone.NGANG)),
        ("nghiêng", ("ng", "", "iê", "ng", Tone.NGANG)),
        ("quý", ("k", "w", "i", "", Tone.SAC)),
        ("quyết", ("k", "w", "iê", "t", Tone.SAC)),
        ("quốc", ("k", "", "uô", "c", Tone.SAC)),
        ("máy", ("m", "", "ă", "j", Tone.SAC)),
        ("cháu", ("ch", "", "ă", "w", Tone.SAC)),
        ("cháo", ("ch", "", "a", "w", Tone.SAC)),
        ("mua", ("m", "", "uô", "", Tone.NGANG)),
        ("mưa", ("m", "", "ươ", "", Tone.NGANG)),
        ("mía", ("m", "", "iê", "", Tone.SAC)),
        ("khuya", ("kh", "w", "iê", "", Tone.NGANG)),
        ("ngoèo", ("ng", "w", "e", "w", Tone.HUYEN)),
        ("khuỷu", ("kh", "w", "i", "w", Tone.HOI)),
        ("anh", ("", "", "a", "nh", Tone.NGANG)),
        ("sách", ("s", "", "a", "ch", Tone.SAC)),
        ("yêu", ("", "", "iê", "w", Tone.NGANG)),
        ("đắk", ("đ", "", "ă", "c", Tone.SAC)),
        ("buýt", ("b", "w", "i", "t", Tone.SAC)),
    ],
)
def test_parse_known(written: str, parts: tuple[str, str, str, str, Tone]) -> None:
    assert parse(written) == Syllable(*parts)


@pytest.mark.parametrize(
    "word",
    ["", "zalo", "otp", "công an", "cát!", "tat", "tàt", "bc", "hoàà", "b\u0301a", "ă"],
)
def test_parse_rejects(word: str) -> None:
    assert parse(word) is None


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("hoà", "hòa"),
        ("thuý", "thúy"),
        ("khoẻ", "khỏe"),
        ("hoàng", "hoàng"),
        ("quý", "quý"),
        ("quí", "quý"),
        ("kỹ", "kĩ"),
        ("tỷ", "tỉ"),
        ("y tế", "y tế"),
        ("thuỷ", "thủy"),
        ("Ðắk LẮK", "đắc lắc"),
        ("ðiện", "điện"),
        ("𝚒𝚝𝚊", "ita"),
        ("Zalo, OTP 24h!", "zalo, otp 24h!"),
        ("xe buýt Số 8", "xe buýt số 8"),
        ("c\u200bông", "công"),
    ],
)
def test_canonical_known(given_text: str, expected: str) -> None:
    assert canonical(given_text) == expected


def test_fold() -> None:
    assert fold("Thu hồi số thuê bao, Đắk Lắk") == "thu hoi so thue bao, dak lak"


@given(legal, st.sampled_from(["NFC", "NFD"]), st.booleans())
def test_unicode_form_and_case_do_not_matter(word: str, form: str, upper: bool) -> None:
    variant = unicodedata.normalize(form, word.upper() if upper else word)  # type: ignore[arg-type]
    assert canonical(variant) == word
    assert parse(variant) == parse(word)


@given(st.text(max_size=12))
def test_canonical_is_idempotent_and_keeps_the_parts(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once
    assert parse(once.strip()) == parse(text)


@given(legal)
def test_legal_syllables_round_trip(word: str) -> None:
    parts = parse(word)
    assert parts is not None
    assert spell(parts) == word
    assert canonical(word) == word
    assert parts.initial in INITIALS
    assert parts.nucleus in NUCLEI
    assert parts.coda in CODAS


@given(legal)
def test_stop_codas_take_two_tones_only(word: str) -> None:
    parts = parse(word)
    assert parts is not None
    if parts.coda in STOPS:
        assert parts.tone in (Tone.SAC, Tone.NANG)


@given(
    st.sampled_from(INITIALS),
    st.sampled_from(["a", "o", "ô", "u", "iê"]),
    st.sampled_from(STOPS),
    st.sampled_from(["", "\u0300", "\u0309", "\u0303"]),
)
def test_stop_codas_reject_other_tones(initial: str, nucleus: str, coda: str, mark: str) -> None:
    assert parse(unicodedata.normalize("NFC", initial + nucleus + mark + coda)) is None


@given(st.lists(legal, min_size=1, max_size=6))
def test_canonical_works_word_by_word(words: list[str]) -> None:
    assert canonical(" ".join(words)) == " ".join(canonical(word) for word in words)


@given(st.text(max_size=20))
def test_fold_leaves_no_marks(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert "đ" not in fold(text)


def test_inventory_size() -> None:
    assert 15_000 < len(LEGAL) < 20_000
    assert len(set(LEGAL)) == len(LEGAL)
