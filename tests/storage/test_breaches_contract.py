"""Breaches: notes are added and never changed, and one about the telling stops the clock."""

from datetime import timedelta

import pytest

from ivr.errors import InputError, UsageError
from ivr.facts.rights import BreachField


@pytest.fixture
def desk(ledger):
    return ledger.breaches


async def test_a_breach_is_opened_noted_told_and_closed(desk, clock):
    detected = clock.now() - timedelta(hours=5)
    opened = await desk.open(detected, "mất ổ đĩa sao lưu", "hien")
    assert (opened.reference, opened.detected_at) == ("SC-2026-0001", detected)
    await desk.note("0001", BreachField.PEOPLE, "12 người", "hien")
    clock.forward(60)
    told = await desk.note("0001", BreachField.NOTIFIED, "công văn 12", "hien")
    assert told.notified_at == clock.now()
    clock.forward(60)
    again = await desk.note("0001", BreachField.NOTIFIED, "bổ sung", "hien")
    assert again.notified_at == told.notified_at
    closed = await desk.close("0001", "đã khắc phục", "hien")
    assert closed.closed_at == clock.now()
    _, notes = await desk.breach("SC-2026-0001")
    assert [(note.about, note.text) for note in notes] == [
        ("what", "mất ổ đĩa sao lưu"),
        ("people", "12 người"),
        ("notified", "công văn 12"),
        ("notified", "bổ sung"),
        ("other", "đã khắc phục"),
    ]
    assert await desk.breaches(is_open_only=True) == []
    assert await desk.breaches() == [closed]


async def test_the_time_of_the_telling_can_be_stated(desk, clock):
    await desk.open(clock.now() - timedelta(hours=1), "lộ danh bạ", "hien")
    for wrong in (timedelta(minutes=1), -timedelta(hours=2)):
        with pytest.raises(UsageError, match="at that time"):
            await desk.note("0001", BreachField.NOTIFIED, "?", "hien", clock.now() + wrong)
    earlier = clock.now() - timedelta(minutes=3)
    told = await desk.note("0001", BreachField.NOTIFIED, "điện thoại", "hien", earlier)
    assert told.notified_at == earlier


async def test_what_nobody_was_told_of_is_not_closed_by_oversight(desk, clock):
    await desk.open(clock.now(), "gửi nhầm một thư", "hien")
    with pytest.raises(UsageError, match="cannot be closed"):
        await desk.close("0001", "xong", "hien")
    closed = await desk.close("0001", "không thuộc diện thông báo", "hien", is_untold=True)
    assert closed.notified_at is None
    with pytest.raises(UsageError, match="no more notes"):
        await desk.note("0001", BreachField.OTHER, "thêm", "hien")
    with pytest.raises(UsageError, match="no more notes"):
        await desk.close("0001", "lần nữa", "hien")


async def test_a_breach_of_the_future_and_an_unknown_one_are_refused(desk, clock):
    with pytest.raises(UsageError, match="future"):
        await desk.open(clock.now() + timedelta(seconds=1), "?", "hien")
    with pytest.raises(InputError, match="No single breach"):
        await desk.breach("0001")
