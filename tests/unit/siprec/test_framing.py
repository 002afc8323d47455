"""Messages on a TCP stream arrive torn and joined; each comes out whole and once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.siprec.framing import PING, Framer, FramingError
from ivr.siprec.sources import AllowedSources, Rate

BODY = st.binary(max_size=60)
LENGTH = st.sampled_from(["Content-Length: {}", "l:{}", "CONTENT-LENGTH :  {} "])


def message(body: bytes, length: str = "Content-Length: {}") -> bytes:
    return f"OPTIONS sip:a@b SIP/2.0\r\n{length.format(len(body))}\r\n\r\n".encode() + body


@given(st.lists(st.tuples(BODY, LENGTH, st.integers(0, 2)), max_size=6), st.data())
def test_cut_anywhere_the_same_messages_come_out(parts, data):
    stream, wanted = b"", []
    for body, length, pings in parts:
        whole = message(body, length)
        stream += PING * pings + whole
        wanted += [PING] * pings + [whole]
    framer, found = Framer(4096), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == wanted
    assert not framer.is_waiting


def test_single_line_ends_between_messages_are_passed_over():
    framer = Framer(4096)
    assert framer.feed(b"\r\n" + message(b"x") + b"\r\n" + message(b"y"))[-1] == message(b"y")


def test_without_a_length_there_is_no_body():
    raw = b"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n\r\n"
    assert Framer(4096).feed(raw + raw) == [raw, raw]


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999"])
def test_a_length_that_is_none_ends_the_stream(length):
    with pytest.raises(FramingError) as problem:
        Framer(4096).feed(b"A\r\nContent-Length: " + length.encode() + b"\r\n\r\n")
    assert problem.value.status == 400


def test_a_message_beyond_the_limit_is_noticed_by_its_head_and_a_head_by_its_size():
    with pytest.raises(FramingError) as problem:
        Framer(100).feed(b"A\r\nContent-Length: 200\r\n\r\n")
    assert problem.value.status == 513
    with pytest.raises(FramingError):
        Framer(100).feed(b"A" * 101)


def test_allowed_sources_by_network_even_when_mapped():
    sources = AllowedSources(("192.0.2.0/24", "2001:db8::/32"))
    assert [sources.admits(host) for host in ("192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1")] == [
        True
    ] * 3
    assert [sources.admits(host) for host in ("192.0.3.1", "::1", "fe80::1%eth0", "name")] == [
        False
    ] * 4
    assert sources.strangers == 4
    with pytest.raises(ValueError, match="not-a-network"):
        AllowedSources(("not-a-network",))


def test_a_rate_lets_through_twice_at_once_and_then_by_the_second():
    rate = Rate(2.0)
    assert [rate.takes("a", 0.0) for _ in range(5)] == [True] * 4 + [False]
    assert rate.takes("b", 0.0)
    assert [rate.takes("a", 0.5), rate.takes("a", 0.5)] == [True, False]
