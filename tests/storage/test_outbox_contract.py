"""What any outbox promises: leased by one, settled truthfully, never lost, never twice."""

import asyncio
from datetime import timedelta

import pytest

from ivr.errors import InputError, UsageError
from ivr.facts.reports import Channel, DeliveryState

S = DeliveryState
BOTH = frozenset({Channel.MAIL, Channel.SMS})


@pytest.fixture
async def queued(ledger, a_case, a_report):
    await ledger.record_sealed_case(a_case(), [a_report()])
    return ledger


async def take(ledger, clock, *, channels=BOTH, repeatable=frozenset()):
    return await ledger.outbox.lease("me", clock.now(), 60.0, channels, repeatable)


async def state_of(ledger, report_id="a" * 64):
    return (await ledger.report(report_id))[1].state


async def test_a_lease_carries_the_report_as_it_was_composed(queued, clock, a_report, a_case):
    lease = await take(queued, clock)
    assert lease.report == a_report()
    assert str(lease.case_path) == a_case().path
    assert (lease.attempt, lease.tries) == (1, 1)
    assert await state_of(queued) is S.SENDING


async def test_a_leased_report_is_not_leased_to_another(queued, clock):
    await take(queued, clock)
    assert await take(queued, clock) is None


async def test_many_at_once_lease_each_report_to_exactly_one(ledger, a_case, a_report, clock):
    many = [a_report(f"{n:064x}", recipient_id=f"r{n}") for n in range(12)]
    await ledger.record_sealed_case(a_case(), many)
    leases = await asyncio.gather(*(take(ledger, clock) for _ in range(20)))
    ids = [lease.report.report_id for lease in leases if lease]
    assert sorted(ids) == sorted(report.report_id for report in many)


async def test_only_channels_that_can_be_delivered_are_leased(queued, clock):
    assert await take(queued, clock, channels={Channel.SMS}) is None
    assert await take(queued, clock, channels={Channel.MAIL}) is not None


async def test_sent_is_final(queued, clock):
    lease = await take(queued, clock)
    assert await queued.outbox.commit(lease, clock.now())
    delivery = await queued.outbox.settle_sent(lease, clock.now(), "250 queued as 7", S.SENT)
    assert (delivery.state, delivery.provider_reference) == (S.SENT, "250 queued as 7")
    assert await take(queued, clock) is None
    for act in (queued.desk.retry, queued.desk.release):
        with pytest.raises(UsageError, match="cannot be changed"):
            await act("a" * 64)
    with pytest.raises(UsageError):
        await queued.desk.withdraw("a" * 64, "too late")


async def test_a_failed_report_comes_back_when_it_is_due_not_before(queued, clock):
    lease = await take(queued, clock)
    due = clock.now() + timedelta(seconds=5)
    await queued.outbox.settle_failed(lease, clock.now(), "451 greylisted", S.RETRY, due)
    assert await queued.outbox.next_due(BOTH) == due
    clock.forward(4.9)
    assert await take(queued, clock) is None
    clock.forward(0.1)
    assert (await take(queued, clock)).attempt == 2


async def test_a_lease_cut_off_before_the_hand_over_is_tried_again(queued, clock):
    await take(queued, clock)
    clock.forward(60)
    lease = await take(queued, clock)
    assert lease.attempt == 2
    assert (await queued.report("a" * 64))[1].last_error.startswith("the delivery was cut off")


async def test_a_lease_cut_off_in_the_hand_over_is_uncertain_and_never_sent_by_itself(
    queued, clock
):
    lease = await take(queued, clock)
    await queued.outbox.commit(lease, clock.now())
    clock.forward(60)
    assert await take(queued, clock) is None
    assert await state_of(queued) is S.UNCERTAIN
    assert await queued.outbox.next_due(BOTH) is None


async def test_a_repeatable_channel_is_never_uncertain(queued, clock):
    lease = await take(queued, clock, repeatable={Channel.MAIL})
    await queued.outbox.commit(lease, clock.now())
    clock.forward(60)
    assert (await take(queued, clock, repeatable={Channel.MAIL})).attempt == 2


async def test_a_stalled_holder_may_not_hand_over_after_its_lease_ran_out(queued, clock):
    """It slept through its lease; whether or not another took over, it must not send."""
    stalled = await take(queued, clock)
    clock.forward(60)
    assert not await queued.outbox.commit(stalled, clock.now())
    other = await take(queued, clock)
    assert not await queued.outbox.commit(stalled, clock.now())
    assert await queued.outbox.commit(other, clock.now())


async def test_a_late_success_is_believed_even_after_uncertain(queued, clock):
    lease = await take(queued, clock)
    await queued.outbox.commit(lease, clock.now())
    clock.forward(60)
    await take(queued, clock)
    delivery = await queued.outbox.settle_sent(lease, clock.now(), "250 ok", S.SENT)
    assert delivery.state is S.SENT


async def test_a_late_failure_of_an_old_attempt_does_not_disturb_the_new_one(queued, clock):
    old = await take(queued, clock)
    clock.forward(60)
    new = await take(queued, clock)
    await queued.outbox.settle_failed(old, clock.now(), "timeout", S.RETRY)
    assert await state_of(queued) is S.SENDING
    await queued.outbox.settle_sent(new, clock.now(), "250 ok", S.SENT)
    await queued.outbox.settle_failed(old, clock.now(), "timeout", S.FAILED)
    assert await state_of(queued) is S.SENT


async def test_held_reports_wait_for_a_person(ledger, a_case, a_report, clock):
    await ledger.record_sealed_case(a_case(), [a_report()], is_held=True)
    assert await take(ledger, clock) is None
    await ledger.desk.release("aaaa")
    assert await take(ledger, clock) is not None


async def test_retry_by_a_person_renews_the_allowance_and_keeps_the_count(queued, clock):
    lease = await take(queued, clock)
    await queued.outbox.settle_failed(lease, clock.now(), "550 no such user", S.FAILED)
    assert await take(queued, clock) is None
    await queued.desk.retry("a" * 64, "address was corrected")
    lease = await take(queued, clock)
    assert (lease.attempt, lease.tries) == (2, 1)


async def test_a_person_settles_what_is_uncertain(queued, clock):
    lease = await take(queued, clock)
    await queued.outbox.settle_failed(lease, clock.now(), "cut", S.UNCERTAIN)
    assert (await queued.desk.confirm("a" * 64, "they phoned back")).state is S.SENT


async def test_a_report_under_way_cannot_be_withdrawn(queued, clock):
    await take(queued, clock)
    with pytest.raises(UsageError, match="withdraw"):
        await queued.desk.withdraw("a" * 64, "changed my mind")


async def test_a_withdrawn_report_is_not_sent(queued, clock):
    await queued.desk.withdraw("a" * 64, "gọi nhầm")
    assert await take(queued, clock) is None


async def test_every_attempt_and_decision_can_be_read_later(queued, clock):
    lease = await take(queued, clock)
    clock.forward(1)
    await queued.outbox.settle_failed(lease, clock.now(), "550 no", S.FAILED)
    clock.forward(1)
    await queued.desk.withdraw("a" * 64, "wrong office")
    lines = await queued.history("a" * 64)
    assert [line.split(" ", 1)[1] for line in lines] == [
        "attempt 1 failed: 550 no",
        "a person decided: withdraw, wrong office",
    ]


async def test_reports_are_listed_by_case_and_state(queued, a_case, a_report):
    other = a_case("01KAS0000000000000000000B2")
    await queued.record_sealed_case(other, [a_report("b" * 64, case_id=other.case_id)])
    await queued.desk.withdraw("b" * 64, "x")
    assert [d.report_id for d in await queued.reports(case_id=other.case_id)] == ["b" * 64]
    assert [d.report_id for d in await queued.reports(state=S.PENDING)] == ["a" * 64]


async def test_an_unknown_or_empty_report_id_is_refused(queued):
    for nothing in ("", "%", "zz"):
        with pytest.raises(InputError):
            await queued.desk.withdraw(nothing, "x")
