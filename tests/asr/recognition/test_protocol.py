"""What goes in at one end of the socket comes out at the other, however it was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.recognition import protocol
from ivr.recognition.engine import HeardWord
from ivr.recognition.lane import Heard
from ivr.recognition.protocol import Kind, Report

words = st.builds(
    HeardWord,
    text=st.text(min_size=1, max_size=8),
    start_s=st.floats(0, 1e5),
    end_s=st.floats(0, 1e5),
    confidence=st.floats(0, 1),
)
reports = st.builds(
    Report,
    samples=st.integers(0, 2**40),
    settled=st.integers(0, 2**40),
    next_index=st.integers(0, 10**6),
    heard=st.lists(
        st.builds(
            Heard,
            index=st.integers(0, 10**6),
            is_final=st.booleans(),
            words=st.lists(words, max_size=4).map(tuple),
            others=st.lists(st.lists(words, max_size=3).map(tuple), max_size=2).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    is_done=st.booleans(),
    error=st.none() | st.fixed_dictionaries({"what": st.text(), "why": st.text()}),
)


@given(reports)
def test_a_report_is_one_line_and_comes_back(report: Report) -> None:
    line = protocol.encode(report)
    assert line.count(b"\n") == 1
    assert protocol.decode(line) == Report(
        report.samples,
        report.settled,
        report.next_index,
        report.heard,
        report.is_done,
        report.error or None,
    )


@given(
    st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=400)), max_size=12),
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
)
def test_messages_come_out_whole_however_they_were_cut(
    sent: list[tuple[Kind, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(protocol.message(kind, body) for kind, body in sent)
    buffer, received, at, turn = bytearray(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        buffer += stream[at : at + size]
        at, turn = at + size, turn + 1
        received += protocol.split_messages(buffer)
    assert received == sent
    assert not buffer


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(protocol.HEADER.pack(protocol.MESSAGE_BYTES + 1, 2), id="too long"),
        pytest.param(protocol.HEADER.pack(0, 99), id="unknown kind"),
    ],
)
def test_a_peer_that_speaks_something_else_is_told_from_ours(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"message|Kind"):
        list(protocol.split_messages(bytearray(raw)))
