"""Bounces and answers to our mails: told apart, tied to the right report, whatever their form."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.replies import Bearing, ReplyKind
from ivr.reporting.couriers.maildir import from_mail

MAILS = Path(__file__).parents[2] / "assets/mail"
AT = datetime(2026, 11, 25, tzinfo=UTC)
OURS = "0123456789abcdef" * 2 + "01234567"


def read(name):
    raw = (MAILS / name).read_bytes().replace(b"REPORT-ID", OURS.encode())
    reply = from_mail(raw, len(raw), AT)
    assert reply.raw == raw
    return reply


@pytest.mark.parametrize(
    ("name", "kind", "bearing", "word"),
    [
        ("bounce-unknown-user.eml", ReplyKind.BOUNCE, Bearing.REFUSED, "failed 5.1.1"),
        ("bounce-whole-original.eml", ReplyKind.BOUNCE, Bearing.REFUSED, "failed 5.1.1"),
        ("bounce-delayed.eml", ReplyKind.BOUNCE, Bearing.NONE, "delayed 4.4.1"),
        ("answer-vietnamese.eml", ReplyKind.ANSWER, Bearing.ARRIVED, ""),
        ("answer-broken-headers.eml", ReplyKind.ANSWER, Bearing.ARRIVED, ""),
    ],
)
def test_what_a_mail_says_of_which_report(name, kind, bearing, word):
    reply = read(name)
    assert (reply.kind, reply.bearing, reply.word) == (kind, bearing, word)
    assert reply.report_prefix == OURS


def test_who_answers_is_named():
    assert read("answer-vietnamese.eml").sender == "truc-ban@xa.example.vn"


def test_a_bounce_that_names_no_mail_of_ours_decides_nothing():
    raw = (MAILS / "bounce-unknown-user.eml").read_bytes()
    reply = from_mail(raw, len(raw), AT)
    assert (reply.report_prefix, reply.bearing) == ("", Bearing.NONE)


def test_a_mail_that_is_too_large_is_kept_as_far_as_it_goes_and_says_so():
    raw = (MAILS / "answer-vietnamese.eml").read_bytes()
    assert from_mail(raw, 5_000_000, AT).word.startswith(f"(first {len(raw)} of 5000000")


@given(st.binary(max_size=400))
def test_any_bytes_are_kept(raw):
    assert from_mail(raw, len(raw), AT).raw == raw


@given(st.data())
def test_a_bounce_with_any_bytes_changed_is_kept(data):
    raw = bytearray((MAILS / "bounce-unknown-user.eml").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert from_mail(bytes(raw), len(raw), AT).raw == bytes(raw)
