"""Order and place of packets: wraps, jumps, stragglers, time stamps nobody can believe."""

from hypothesis import given
from hypothesis import strategies as st

from ivr.media.rtp import RtpPacket
from ivr.media.sequencing import Jitter, LegClock, Sequencer

FRAME_NS = 20_000_000


def packet(sequence: int, timestamp: int = 0, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(8, sequence % 0x10000, timestamp % (1 << 32), ssrc, b"\xd5" * 160)


@given(st.integers(0, 0xFFFF), st.permutations(range(40)))
def test_any_order_of_arrival_gives_the_same_places(first: int, order: list[int]) -> None:
    sequencer = Sequencer()
    places = {n: sequencer.place(packet(first + n), 0) for n in order}
    extended = [places[n].extended for n in range(40)]
    assert [value - extended[0] for value in extended] == list(range(40))
    assert {place.run for place in places.values()} == {0}
    assert (sequencer.lost, sequencer.duplicates) == (0, 0)


@given(st.sets(st.integers(1, 98)), st.integers(0, 0xFFFF))
def test_lost_counts_what_is_missing(missing: set[int], first: int) -> None:
    sequencer = Sequencer()
    for n in range(100):
        if n not in missing:
            sequencer.place(packet(first + n), 0)
    assert sequencer.lost == len(missing)


def test_a_second_copy_is_a_duplicate_however_late() -> None:
    sequencer = Sequencer()
    for n in range(2000):
        sequencer.place(packet(n), 0)
    assert sequencer.place(packet(3), 0).is_duplicate
    assert sequencer.duplicates == 1


def test_one_wild_packet_does_not_take_the_stream_with_it() -> None:
    sequencer = Sequencer()
    runs = [
        sequencer.place(packet(sequence), n * FRAME_NS).run
        for n, sequence in enumerate([1, 2, 40_000, 3, 4])
    ]
    assert runs == [0, 0, 1, 0, 0]


def test_a_straggler_of_the_old_source_joins_its_own_run() -> None:
    sequencer = Sequencer()
    sequencer.place(packet(1, ssrc=1), 0)
    sequencer.place(packet(900, ssrc=2), FRAME_NS)
    assert sequencer.place(packet(2, ssrc=1), 2 * FRAME_NS).run == 0
    # much later the same source is a new stream, even with fitting numbers
    sequencer.place(packet(901, ssrc=2), 5_000_000_000)
    assert sequencer.place(packet(3, ssrc=1), 5_000_000_001).run == 2


def test_many_runs_keep_their_losses_counted() -> None:
    sequencer = Sequencer()
    for ssrc in range(20):
        sequencer.place(packet(10, ssrc=ssrc), 0)
        sequencer.place(packet(12, ssrc=ssrc), 0)
    assert sequencer.lost == 20


def placed(*stream: tuple[int, int, int, int]) -> list[tuple[int, bool]]:
    """(run, ssrc, time stamp, milliseconds of arrival) → (offset, anchored anew)."""
    clock = LegClock(8000)
    return [
        clock.place(run, packet(0, stamp, ssrc), ms * 1_000_000, 160)
        for run, ssrc, stamp, ms in stream
    ]


def test_time_stamps_decide_while_they_can_be_believed() -> None:
    wrap = (1 << 32) - 160
    assert placed((0, 1, wrap, 0), (0, 1, 0, 95), (0, 1, 8000, 1100)) == [
        (0, False),
        (160, False),
        (8160, False),
    ]


def test_a_jump_of_nine_seconds_is_believed_and_one_of_eleven_is_not() -> None:
    assert placed((0, 1, 0, 0), (0, 1, 72_000, 20))[1] == (72_000, False)
    assert placed((0, 1, 0, 0), (0, 1, 88_000, 20))[1] == (160, True)


def test_a_long_pause_with_fitting_time_stamps_is_believed() -> None:
    assert placed((0, 1, 0, 0), (0, 1, 480_000, 60_200))[1] == (480_000, False)


def test_a_new_source_is_placed_by_its_arrival() -> None:
    assert placed((0, 1, 0, 0), (1, 2, 999_999, 500), (1, 2, 1_000_159, 520)) == [
        (0, False),
        (4000, True),
        (4160, False),
    ]


def test_a_new_source_never_overwrites_what_stands() -> None:
    assert placed((0, 1, 0, 0), (1, 2, 77, 5))[1] == (160, True)


def test_time_stamps_that_stand_still_do_not_pile_sound_up() -> None:
    offsets = [offset for offset, _ in placed(*((0, 1, 7, n * 20) for n in range(5)))]
    assert offsets == [0, 160, 320, 480, 640]


def test_time_stamps_frozen_on_hold_do_not_shorten_the_call() -> None:
    # a minute passes; the sender's clock stood still
    assert placed((0, 1, 0, 0), (0, 1, 160, 60_000))[1] == (480_000, True)


def test_a_sender_that_jumps_again_and_again_cannot_make_an_endless_line() -> None:
    stream = [(0, 1, n * 72_000, n * 20) for n in range(500)]
    last, _ = placed(*stream)[-1]
    assert last <= (500 * 0.02 + 11) * 8000


def test_jitter_is_that_of_rfc_3550() -> None:
    jitter = Jitter(8000)
    for n in range(400):  # every other packet 10 ms late: the mean deviation is 10 ms
        jitter.feed(0, n * 160, n * FRAME_NS + (n % 2) * 10_000_000)
    assert 9.9 < jitter.ms <= 10.0


def test_a_reset_clock_does_not_count_as_jitter() -> None:
    jitter = Jitter(8000)
    jitter.feed(0, 0, 0)
    jitter.feed(0, 3_000_000_000, FRAME_NS)
    assert jitter.ms == 0.0


def changed(*stream: tuple[int, int, int, int]) -> list[tuple[int, bool]]:
    """(number, time stamp, clock rate, milliseconds of arrival) → (offset, anchored anew)."""
    clock = LegClock(8000)
    return [
        clock.place(0, packet(number, stamp), ms * 1_000_000, 160, hz)
        for number, stamp, hz, ms in stream
    ]


def test_a_clock_of_16000_counts_two_for_a_sample() -> None:
    assert changed((0, 0, 16000, 0), (1, 320, 16000, 20), (5, 1600, 16000, 100)) == [
        (0, False),
        (160, False),
        (800, False),
    ]


def test_at_a_change_of_the_clock_rate_the_next_packet_follows_the_last() -> None:
    line = changed((0, 0, 8000, 0), (1, 999_999, 16000, 55), (2, 1_000_319, 16000, 60))
    assert line == [(0, False), (160, False), (320, False)]


def test_at_a_change_after_a_loss_or_a_pause_arrival_decides() -> None:
    assert changed((0, 0, 8000, 0), (2, 999_999, 16000, 40))[1] == (320, True)
    assert changed((0, 0, 8000, 0), (1, 999_999, 16000, 500))[1] == (4000, True)


def test_jitter_is_kept_over_a_change_of_the_clock_rate() -> None:
    jitter = Jitter(8000)
    for n in range(400):
        jitter.feed(0, n * 160, n * FRAME_NS + (n % 2) * 10_000_000)
    for n in range(400, 402):
        jitter.feed(0, n * 320, n * FRAME_NS, 16000)
    assert 9.0 < jitter.ms <= 10.0
    assert jitter.units == round(jitter.ms * 16)
