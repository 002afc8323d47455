"""Would a call be taken now? One answer, without flapping."""

from dataclasses import dataclass
from pathlib import Path

from ivr.facts.call import CallClosed
from ivr.watch.capacity import Capacity, Cause


@dataclass
class Call:
    closed: CallClosed | None = None


def capacity(lag: list[float], max_calls: int = 2) -> Capacity:
    made = Capacity(
        Path.cwd(), max_calls=max_calls, max_lag_s=2.0, min_free_mb=100, lag_s=lambda: lag[0]
    )
    made.free_mb = 1000
    return made


def cause(made: Capacity) -> Cause | None:
    refusal = made.refusal()
    return refusal.cause if refusal is not None else None


def test_calls_are_taken_up_to_the_limit_and_again_when_one_is_over():
    made = capacity([0.0])
    calls = [Call(), Call()]
    for call in calls:
        assert made.refusal() is None
        made.enter(call)
    assert cause(made) is Cause.CALLS
    calls[0].closed = CallClosed  # anything but None
    assert made.refusal() is None
    assert made.calls == 1


def test_a_lag_that_trembles_about_the_limit_does_not_open_and_shut():
    lag = [1.9]
    made = capacity(lag)
    answers = []
    for lag[0] in (1.9, 2.1, 1.9, 2.1, 1.5, 1.1, 0.9, 1.9):
        answers.append(cause(made))
    lagging = Cause.LAG
    assert answers == [None, *[lagging] * 5, None, None]


def test_a_disk_that_trembles_about_the_limit_does_not_open_and_shut():
    made = capacity([0.0])
    answers = []
    for made.free_mb in (101, 99, 101, 109, 111, 101):
        answers.append(cause(made))
    assert answers == [None, *[Cause.DISK] * 3, None, None]


async def test_a_disk_that_cannot_be_looked_at_has_no_room(tmp_path):
    made = Capacity(tmp_path / "gone", max_calls=1, max_lag_s=2.0, min_free_mb=1, lag_s=lambda: 0.0)
    assert made.refusal() is None  # not measured yet
    await made.measure()
    assert cause(made) is Cause.DISK


async def test_a_measurement_is_used_again_while_it_is_fresh(tmp_path):
    made = Capacity(tmp_path, max_calls=1, max_lag_s=2.0, min_free_mb=1, lag_s=lambda: 0.0)
    await made.measure()
    assert made.free_mb
    made.free_mb = 0
    await made.measure(max_age_s=60.0)
    assert made.free_mb == 0
    await made.measure()
    assert made.free_mb > 0


def test_draining_and_starting_refuse_whatever_room_there_is():
    made = capacity([0.0])
    made.is_draining = True
    assert cause(made) is Cause.DRAINING
    made.is_starting = True
    assert cause(made) is Cause.STARTING
    made.is_draining = made.is_starting = False
    assert made.refusal() is None
    assert made.told is None
