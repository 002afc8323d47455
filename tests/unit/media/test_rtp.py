"""RTP packets are read as RFC 3550 says, and what is none gives its reason."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.rtp import (
    HeaderExtension,
    MalformedReason,
    RtpPacket,
    check_rtcp,
    is_rtcp,
    pack_rtp,
    parse_rtp,
)

FIXTURES = sorted((Path(__file__).parents[2] / "assets" / "rtp").glob("*.bin"))

extensions = st.builds(
    HeaderExtension,
    st.integers(0, 0xFFFF),
    st.binary(max_size=12).map(lambda data: data + bytes(-len(data) % 4)),
)
rtp_packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=400),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none() | extensions,
    padding=st.integers(0, 255),
)


@given(rtp_packets)
def test_what_is_packed_is_read_back(packet: RtpPacket) -> None:
    assert parse_rtp(pack_rtp(packet)) == packet


@given(st.binary(max_size=80))
def test_any_bytes_give_a_packet_or_a_reason_and_never_raise(data: bytes) -> None:
    parsed = parse_rtp(data)
    if isinstance(parsed, RtpPacket):
        assert len(parsed.payload) <= len(data) - 12
        # only what padding held before its count byte may be lost
        assert len(pack_rtp(parsed)) == len(data)
    else:
        assert isinstance(parsed, MalformedReason)


@given(rtp_packets, st.integers(0, 60))
def test_a_truncated_packet_never_raises(packet: RtpPacket, cut: int) -> None:
    data = pack_rtp(packet)
    parse_rtp(data[: max(len(data) - cut, 0)])


def test_there_is_a_fixture_for_every_reason() -> None:
    assert {path.name.partition(".")[0] for path in FIXTURES} == {*MalformedReason}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_malformed_datagram_gives_its_reason(path: Path) -> None:
    data, reason = path.read_bytes(), path.name.partition(".")[0]
    found = check_rtcp(data) if is_rtcp(data) else parse_rtp(data)
    assert found == MalformedReason(reason)


@pytest.mark.parametrize(
    ("second", "expected"), [(191, False), (192, True), (200, True), (223, True), (224, False)]
)
def test_rtcp_is_told_by_its_packet_type(second: int, expected: bool) -> None:
    assert is_rtcp(bytes([0x80, second]) + bytes(6)) is expected


def test_marker_and_payload_type_that_look_like_rtcp_are_rtp() -> None:
    # marker bit and payload type 0 or 8: second byte 128 or 136, below RTCP's 192
    assert not is_rtcp(bytes([0x80, 0x80 | 8]) + bytes(10))
