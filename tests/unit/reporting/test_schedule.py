"""Waits between attempts: doubling, bounded, spread."""

from hypothesis import given
from hypothesis import strategies as st

from ivr.reporting.dispatcher import wait_s
from ivr.settings import ReportingSettings

SETTINGS = ReportingSettings(retry_first_s=5.0, retry_longest_s=3600.0)


def test_waits_double_until_the_longest():
    assert [wait_s(n, SETTINGS, 1.0) for n in (1, 2, 3, 10, 11, 5000)] == [
        5.0,
        10.0,
        20.0,
        2560.0,
        3600.0,
        3600.0,
    ]


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_a_wait_is_never_shorter_than_half_nor_longer_than_the_longest(tries, fraction):
    assert 2.5 <= wait_s(tries, SETTINGS, fraction) <= 3600.0
