"""Templates: what they stand for, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.spotting.template import MAX_SLOTS, TemplateError, expand


def _sentences(template: str) -> list[str]:
    return [" ".join(variant) for variant in expand(template)]


@pytest.mark.parametrize(
    ("template", "sentences"),
    [
        ("chuyển tiền", ["chuyển tiền"]),
        ("(chuyển|nộp) tiền", ["chuyển tiền", "nộp tiền"]),
        ("chuyển [ngay] tiền", ["chuyển ngay tiền", "chuyển tiền"]),
        ("chuyển [ngay|liền] đi", ["chuyển ngay đi", "chuyển liền đi", "chuyển đi"]),
        ("(gọi (từ|bên)|ở) {org}", ["gọi từ {org}", "gọi bên {org}", "ở {org}"]),
        ("chuyển ... tài khoản", ["chuyển ... tài khoản"]),
        ("... chuyển ... ...  đi …", ["chuyển ... đi"]),
        ("CHUYỂN Hoà", ["chuyển hòa"]),
        ("(một|một) hai", ["một hai"]),
    ],
)
def test_expansion(template: str, sentences: list[str]) -> None:
    assert _sentences(template) == sentences


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("(chuyển|nộp tiền", "never closed"),
        ("[ngay", "never closed"),
        ("chuyển) tiền", "closes nothing"),
        ("(chuyển|) tiền", "empty"),
        ("[ngay] [liền]", "optional"),
        ("...", "optional"),
        ("", "optional"),
        ("{Ngân hàng} gọi", "no list name"),
        ("chuyển, tiền", "neither a word"),
        ("gửi 156", "as they are said"),
        (" ".join(["(a|b|c)"] * 12), "more than"),
        (" ".join(["a"] * (MAX_SLOTS + 1)), "is the most"),
    ],
)
def test_mistakes_are_named(template: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        expand(template)


@given(st.text(alphabet="ab ()[]|{}.…á,", max_size=24))
def test_any_text_is_expanded_or_refused(template: str) -> None:
    try:
        variants = expand(template)
    except TemplateError:
        return
    assert variants
    assert all(variants)
    assert len(set(variants)) == len(variants)
