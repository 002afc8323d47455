"""Receiver reports say what RFC 3550 lets them say, and no datagram breaks the reader."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from ivr.media.rtcp import REPORT_EVERY_S, ReceiverReports
from ivr.media.rtp import RtpPacket, check_rtcp, is_rtcp
from ivr.media.sequencing import Reception, Sequencer

SSRC = 0xCAFE


def sender_report(ssrc: int, middle: int, reports: int = 0) -> bytes:
    """RFC 3550 section 6.4.1; ``middle`` is what a receiver gives back as LSR."""
    blocks = bytes(24 * reports)
    head = struct.pack("!BBHI", 0x80 | reports, 200, 6 + 6 * reports, ssrc)
    return head + struct.pack("!HIHIII", 0, middle, 0, 0, 0, 0) + blocks


def block(report: bytes) -> tuple[int, ...]:
    """SSRC, fraction lost, packets lost, highest, jitter, LSR, DLSR."""
    ssrc, lost, highest, jitter, last, delay = struct.unpack_from("!IIIIII", report, 8)
    total = lost & 0xFFFFFF
    return ssrc, lost >> 24, total - (total >> 23 << 24), highest, jitter, last, delay


def test_the_first_report_is_due_after_five_seconds_and_then_every_five() -> None:
    reports = ReceiverReports(100.0)
    assert not reports.is_due(100.0 + REPORT_EVERY_S - 0.01)
    assert reports.is_due(100.0 + REPORT_EVERY_S)
    reports.compound(None, 105.2)
    assert not reports.is_due(110.1)
    assert reports.is_due(110.2)


def test_before_the_first_packet_the_report_is_empty_and_still_valid() -> None:
    report = ReceiverReports(0.0).compound(None, 5.0)
    assert is_rtcp(report)
    assert check_rtcp(report) is None
    assert struct.unpack_from("!BBH", report) == (0x80, 201, 1)
    assert report[9] == 202  # the name follows: every compound packet must carry it
    assert len(report) % 4 == 0


def test_losses_are_counted_in_all_and_since_the_last_report() -> None:
    reports = ReceiverReports(0.0)
    first = reports.compound(Reception(SSRC, 70_099, 100, 90, 7), 5.0)
    assert block(first)[:5] == (SSRC, 25, 10, 70_099, 7)  # 10 of 100: 25/256
    second = reports.compound(Reception(SSRC, 70_199, 200, 190, 7), 10.0)
    assert block(second)[:3] == (SSRC, 0, 10)


def test_duplicates_make_the_loss_negative_as_the_rfc_wants_it() -> None:
    report = ReceiverReports(0.0).compound(Reception(SSRC, 99, 100, 104, 0), 5.0)
    assert block(report)[1:3] == (0, -4)


def test_a_new_source_starts_its_counts_anew() -> None:
    reports = ReceiverReports(0.0)
    reports.compound(Reception(1, 99, 100, 50, 0), 5.0)
    assert block(reports.compound(Reception(2, 9, 10, 5, 0), 10.0))[:3] == (2, 128, 5)


def test_the_time_of_the_last_sender_report_is_given_back() -> None:
    reports = ReceiverReports(0.0)
    reports.hear(sender_report(SSRC, 0x12345678, reports=1) + sender_report(9, 1)[:4], 3.0)
    report = reports.compound(Reception(SSRC, 9, 10, 10, 0), 5.0)
    assert block(report)[5:] == (0x12345678, 2 * 65536)
    other = ReceiverReports(0.0)
    other.hear(sender_report(SSRC + 1, 5), 3.0)
    assert block(other.compound(Reception(SSRC, 9, 10, 10, 0), 5.0))[5:] == (0, 0)


@given(st.binary(max_size=200))
def test_whatever_comes_as_rtcp_is_read_or_passed_over(datagram: bytes) -> None:
    reports = ReceiverReports(0.0)
    reports.hear(datagram, 1.0)
    assert is_rtcp(reports.compound(Reception(SSRC, 9, 10, 10, 0), 5.0))


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=60))
def test_any_stream_gives_a_report_of_whole_words(sequences: list[int]) -> None:
    sequencer = Sequencer()
    for sequence in sequences:
        sequencer.place(RtpPacket(8, sequence, 0, SSRC, b""), 0)
    reception = sequencer.reception(3)
    assert reception is not None
    report = ReceiverReports(0.0).compound(reception, 5.0)
    assert len(report) % 4 == 0
    assert block(report)[0] == SSRC


def test_the_highest_number_counts_its_wraps() -> None:
    sequencer = Sequencer()
    for sequence in (65_534, 65_535, 0, 1):
        sequencer.place(RtpPacket(8, sequence, 0, SSRC, b""), 0)
    reception = sequencer.reception(0)
    assert reception == Reception(SSRC, 1 << 16 | 1, 4, 4, 0)
