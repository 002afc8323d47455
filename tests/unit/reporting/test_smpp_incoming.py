"""Whatever a centre sends as deliver_sm is kept; what is a receipt is known as one."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.replies import same_id
from ivr.reporting.couriers.replies import Incoming
from ivr.reporting.couriers.smpp_session import _incoming, _receipt


class Numbers:
    sequence = 0

    def next_sequence(self):
        return 1


def deliver(body: bytes) -> bytes:
    return struct.pack(">LLLL", 16 + len(body), 5, 0, 7) + body


@given(st.binary(max_size=300))
def test_any_bytes_are_kept(body):
    found = _incoming(deliver(body), Numbers())
    assert isinstance(found, Incoming)
    if found.coding == -1:
        assert found.data == deliver(body)


@given(st.text("0123456789", min_size=1, max_size=10), st.binary(max_size=200))
def test_a_whole_message_is_read_whole(source, text):
    head = b"\0\0\0" + source.encode() + b"\0\0\0me\0" + b"\0\0\0\0\0\0\0"
    found = _incoming(deliver(head + bytes([8, 0, len(text)]) + text), Numbers())
    assert found == Incoming(source, "me", 8, text, None)


@pytest.mark.parametrize(
    ("text", "told", "receipt"),
    [
        (b"id:7 sub:001 dlvrd:001 stat:DELIVRD err:000 text:x", None, ("7", "DELIVRD")),
        (b"id:7 stat:undeliv", b"0007", ("0007", "UNDELIV")),
        (b"ID: 7F STAT: EXPIRED", None, ("7F", "EXPIRED")),
        (b"sub:001 stat:DELIVRD", None, None),
        (b"id:7 sub:001", None, None),
        (b"", b"7", None),
    ],
)
def test_a_receipt_is_read_as_centres_write_it(text, told, receipt):
    assert _receipt(text, told) == receipt


def test_an_id_padded_or_in_other_case_is_the_same():
    assert same_id("0000001F") == same_id("1f") != same_id("1e")
