"""Limits of a day: what exceeds them waits for tomorrow, says why, and is not lost."""

from datetime import timedelta

import pytest

from ivr.facts.reports import Channel, DeliveryState, Quota

S = DeliveryState
BOTH = frozenset(Channel)


def today(clock, a_day=2, a_number=None, channel=Channel.MAIL):
    since = clock.now().replace(hour=0, minute=0)
    return {channel: Quota(a_day, a_number, since, since + timedelta(days=1))}


@pytest.fixture
def queue(ledger, a_case, a_report):
    """One case and report for each (caller, recipient), ids 000…, 111…, in order."""

    async def enter(*pairs, channel=Channel.MAIL):
        for n, (caller, recipient) in enumerate(pairs):
            case_id = f"01KAS{n:021d}"
            report = a_report(
                f"{n:x}" * 64, case_id=case_id, recipient_id=recipient, channel=channel
            )
            await ledger.record_sealed_case(a_case(case_id, caller=caller), [report])

    return enter


async def send(ledger, clock, quotas, state=S.SENT):
    """Lease and settle one report; returns the first digit of its id, None when there is none."""
    lease = await ledger.outbox.lease("me", clock.now(), 60.0, BOTH, (), quotas)
    if lease is None:
        return None
    if state is S.RETRY:
        later = clock.now() + timedelta(hours=1)
        await ledger.outbox.settle_failed(lease, clock.now(), "later", state, later)
    else:
        assert await ledger.outbox.commit(lease, clock.now())
        await ledger.outbox.settle_sent(lease, clock.now(), "ok", state)
    return lease.report.report_id[0]


async def test_beyond_the_limit_a_recipient_waits_for_tomorrow_and_others_do_not(
    ledger, queue, clock
):
    await queue(("+841", "a"), ("+842", "a"), ("+843", "a"), ("+844", "a"), ("+845", "b"))
    sent = [await send(ledger, clock, today(clock)) for _ in range(4)]
    assert sent == ["0", "1", "4", None]
    held = [delivery for delivery in await ledger.reports() if delivery.state is S.PENDING]
    assert len(held) == 2
    assert all("2 reports a day" in delivery.last_error for delivery in held)
    tomorrow = today(clock)[Channel.MAIL].until
    assert await ledger.outbox.next_due(BOTH) == tomorrow
    clock.moment = tomorrow
    assert [await send(ledger, clock, today(clock)) for _ in range(3)] == ["2", "3", None]


async def test_one_number_is_told_once_a_day_to_each(ledger, queue, clock):
    pairs = (("+841", "a"), ("+841", "a"), ("+842", "a"), ("+841", "b"), (None, "a"), (None, "a"))
    await queue(*pairs, channel=Channel.SMS)
    quotas = today(clock, a_day=100, a_number=1, channel=Channel.SMS)
    sent = [await send(ledger, clock, quotas) for _ in range(6)]
    assert sent == ["0", "2", "3", "4", "5", None]
    (held,) = [delivery for delivery in await ledger.reports() if delivery.state is S.PENDING]
    assert "about one number" in held.last_error


async def test_what_did_not_arrive_counts_for_nothing(ledger, queue, clock):
    await queue(("+841", "a"), ("+842", "a"))
    assert await send(ledger, clock, today(clock, a_day=1), S.RETRY) == "0"
    assert await send(ledger, clock, today(clock, a_day=1)) == "1"
    clock.forward(7200)
    assert await send(ledger, clock, today(clock, a_day=1)) is None  # 0 is due, and put off
    clock.moment = today(clock)[Channel.MAIL].until
    assert await send(ledger, clock, today(clock, a_day=1)) == "0"


async def test_what_is_under_way_counts(ledger, queue, clock):
    await queue(("+841", "a"), ("+842", "a"))
    quotas = today(clock, a_day=1)
    assert await ledger.outbox.lease("me", clock.now(), 60.0, BOTH, (), quotas) is not None
    assert await ledger.outbox.lease("you", clock.now(), 60.0, BOTH, (), quotas) is None


async def test_a_channel_without_a_limit_is_not_looked_at(ledger, queue, clock):
    await queue(*[(f"+84{n}", "a") for n in range(5)])
    quotas = today(clock, a_day=1, channel=Channel.SMS)
    assert [await send(ledger, clock, quotas) for _ in range(5)] == list("01234")
