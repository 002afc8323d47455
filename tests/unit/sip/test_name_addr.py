"""Identity headers are read as they come, right or wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.sip.name_addr import NameAddr, SipUri, parse_name_addr, parse_uri, split_values


@pytest.mark.parametrize(
    ("value", "display", "user", "host"),
    [
        (
            '"Le Van A" <sip:+84901@op.example:5060;user=phone>;tag=1',
            "Le Van A",
            "+84901",
            "op.example",
        ),
        ("Le Van A <sip:0901@op.example>", "Le Van A", "0901", "op.example"),
        ("<tel:+84-901;phone-context=vn>", None, "+84-901", None),
        ("sip:0901@[2001:db8::1]:5060;tag=1", None, "0901", "[2001:db8::1]"),
        ('"say \\"hi\\", <you>" <sip:a@b>', 'say "hi", <you>', "a", "b"),
        ('"Cong an <sip:+8469@op.example>;tag=x', "Cong an", "+8469", "op.example"),
        ("<sip:0901;npdi;rn=1:secret@op.example>", None, "0901", "op.example"),
        ("<sip:%2B84901@op.example>", None, "+84901", "op.example"),
        ("<sip:op.example>", None, None, "op.example"),
        ("<SIPS:a@b>", None, "a", "b"),
    ],
)
def test_a_value_shows(value: str, display: str | None, user: str | None, host: str | None) -> None:
    read = parse_name_addr(value)
    assert read.display == display
    assert read.uri is not None
    assert (read.uri.user, read.uri.host) == (user, host)


def test_values_without_uri_keep_their_text() -> None:
    assert parse_name_addr("Công an tỉnh") == NameAddr("Công an tỉnh", None, "")
    assert parse_name_addr("") == NameAddr(None, None, "")
    assert parse_name_addr("0901 234 567").uri == SipUri("tel", "0901 234 567", None)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ('"A, B" <sip:a@b>, <tel:+1,2>,sip:c@d', ('"A, B" <sip:a@b>', "<tel:+1,2>", "sip:c@d")),
        ('"A \\", B" <sip:a@b>', ('"A \\", B" <sip:a@b>',)),
        ('"open, <sip:a@b>, <sip:c@d>', ('"open, <sip:a@b>, <sip:c@d>',)),
        (" , ,", ()),
    ],
)
def test_commas_separate_only_outside_quotes_and_brackets(
    value: str, parts: tuple[str, ...]
) -> None:
    assert split_values(value) == parts


@given(st.text())
def test_no_text_raises(value: str) -> None:
    for part in split_values(value):
        parse_name_addr(part)
    parse_name_addr(value)
    parse_uri(value)
