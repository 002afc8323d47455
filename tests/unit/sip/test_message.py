"""Raw messages come apart whatever they hold, and no byte is lost."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.sip.message import Header, parse

FIXTURES = sorted((Path(__file__).parents[2] / "assets" / "sip").glob("*.sip"))


def fixture(name: str) -> bytes:
    return (Path(__file__).parents[2] / "assets" / "sip" / f"{name}.sip").read_bytes()


def test_a_request_comes_apart() -> None:
    message = parse(
        b"INVITE sip:ivr@host SIP/2.0\r\nFrom : <sip:a@b>\r\nSubject: one\r\n two\r\n\tthree\r\n"
        b"content-length: 4\r\n\r\nbody"
    )
    assert message.start_line == "INVITE sip:ivr@host SIP/2.0"
    assert (message.method, message.request_uri, message.status) == ("INVITE", "sip:ivr@host", None)
    assert message.headers[:2] == (Header("From", "<sip:a@b>"), Header("Subject", "one two three"))
    assert (message.content_length, message.body, message.is_truncated) == (4, b"body", False)
    assert message.first("SUBJECT") == "one two three"
    assert message.first("Via") is None


def test_a_response_has_a_status_and_no_uri() -> None:
    message = parse(b"SIP/2.0 486 Busy Here\r\n\r\n")
    assert (message.status, message.request_uri) == (486, None)
    assert parse(b"SIP/2.0 \xc2\xb2\r\n\r\n").status is None


def test_compact_forms_get_their_names() -> None:
    message = parse(fixture("compact-forms"))
    names = [item.name for item in message.headers]
    assert names == [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Max-Forwards",
        "Content-Length",
    ]


def test_folded_headers_become_one_line() -> None:
    (history,) = parse(fixture("folded-history-info")).all("History-Info")
    assert history.endswith(";index=1, <sip:02499990000@ims.example>;index=1.1")


def test_bytes_that_are_no_utf8_come_back_untouched() -> None:
    raw = fixture("display-name-is-not-utf8")
    shown = parse(raw).first("From")
    assert shown is not None
    assert shown.encode("utf-8", "surrogateescape") in raw
    assert b"\xff\xfe" in shown.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("name", "length", "is_truncated"),
    [
        ("content-length-exceeds-the-body", 5000, True),
        ("content-length-is-negative", None, False),
        ("content-length-is-a-novel", None, False),
        ("compact-forms", 0, False),
    ],
)
def test_content_length_is_read_or_left(name: str, length: int | None, is_truncated: bool) -> None:
    message = parse(fixture(name))
    assert (message.content_length, message.is_truncated) == (length, is_truncated)


@given(st.binary())
@example(b"")
@example(b" \r\n folded first\r\n\r\n")
def test_no_input_raises(raw: bytes) -> None:
    message = parse(raw)
    assert isinstance(message.is_truncated, bool)
    assert message.status is None or message.status >= 0
    assert raw.endswith(message.body)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True),
            st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"])),
        )
    ),
    st.binary(max_size=50),
)
def test_what_was_written_is_read(headers: list[tuple[str, str]], body: bytes) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    message = parse(f"OPTIONS sip:a SIP/2.0\r\n{head}\r\n".encode() + body)
    assert [(item.name, item.value) for item in message.headers] == [
        (name, value.strip()) for name, value in headers
    ]
    assert message.body == body
