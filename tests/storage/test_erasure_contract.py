"""What deleting a case leaves of it in a ledger."""

import pytest

from ivr.errors import InputError, StorageError, UsageError
from ivr.facts.reports import Channel, DeliveryState

CASE = "01KAS0000000000000000000A1"


@pytest.fixture
async def settled(ledger, a_case, a_report, clock):
    """A case whose two reports are sent and withdrawn."""
    sms = a_report(
        "b" * 64, channel=Channel.SMS, recipient_id="156", body="LD (0987654321) (ma túy)"
    )
    await ledger.record_sealed_case(a_case(subscriber="+84912000111"), [a_report(), sms])
    both = {Channel.MAIL, Channel.SMS}
    lease = await ledger.outbox.lease("me", clock.now(), 60, both, frozenset())
    await ledger.outbox.settle_sent(lease, clock.now(), "250 ok 0987654321", DeliveryState.SENT)
    (other,) = [r for r in await ledger.reports() if r.state is DeliveryState.PENDING]
    await ledger.desk.withdraw(other.report_id, "gọi nhầm 0987654321")
    return ledger


@pytest.mark.parametrize(
    "state", sorted(set(DeliveryState) - {DeliveryState.SENT, DeliveryState.WITHDRAWN})
)
async def test_a_case_with_a_report_that_waits_for_anybody_does_not_go(
    ledger, a_case, a_report, clock, state
):
    await ledger.record_sealed_case(a_case(), [a_report()], is_held=state is DeliveryState.HELD)
    if state not in {DeliveryState.HELD, DeliveryState.PENDING}:
        lease = await ledger.outbox.lease("me", clock.now(), 60, {Channel.MAIL}, frozenset())
        if state is DeliveryState.READY:
            await ledger.outbox.settle_sent(lease, clock.now(), "laid out", state)
        elif state is not DeliveryState.SENDING:
            await ledger.outbox.settle_failed(lease, clock.now(), "no", state)
    assert [each.state for each in await ledger.erasure.begin(CASE, clock.now())] == [state]
    assert (await ledger.case(CASE)).caller == "+84987654321"
    assert list(await ledger.erasure.open_reports()) == [CASE]


async def test_a_case_that_goes_is_no_case_for_any_command_and_is_listed_on_request(settled, clock):
    at = clock.now()
    assert await settled.erasure.begin(CASE, at) == []
    assert await settled.erasure.begin(CASE, clock.forward(60)) == []
    assert await settled.cases() == []
    assert [case.purged_at for case in await settled.cases(with_purged=True)] == [at]
    with pytest.raises(InputError, match="was deleted") as caught:
        await settled.case(CASE)
    assert "tombstone" in caught.value.remedy


async def test_a_case_that_goes_gets_no_reports_and_none_is_sent_again(
    settled, clock, a_case, a_report
):
    await settled.erasure.begin(CASE, clock.now())
    with pytest.raises(InputError, match="was deleted"):
        await settled.record_sealed_case(a_case(), [a_report("c" * 64, recipient_id="x")])
    withdrawn = await settled.reports(state=DeliveryState.WITHDRAWN)
    with pytest.raises(UsageError, match="any more"):
        await settled.desk.retry(withdrawn[0].report_id)


async def test_a_case_may_stay_after_all(settled, clock):
    await settled.erasure.begin(CASE, clock.now())
    await settled.erasure.undo(CASE)
    assert (await settled.case(CASE)).purged_at is None


async def test_numbers_addresses_and_words_are_erased_states_and_times_stay(settled, clock):
    await settled.erasure.begin(CASE, clock.now())
    for _ in range(2):
        await settled.erasure.finish(CASE)
    (case,) = await settled.cases(with_purged=True)
    assert (case.caller, case.subscriber, case.label) == (None, None, "scam")
    for delivery in await settled.reports():
        report, _ = await settled.report(delivery.report_id)
        assert (report.address, report.subject, report.body, report.attachments) == ("", "", "", ())
        assert (delivery.provider_reference, delivery.last_error) == (None, None)
        assert "0987654321" not in " ".join(await settled.history(delivery.report_id))
    states = {delivery.state for delivery in await settled.reports()}
    assert states == {DeliveryState.SENT, DeliveryState.WITHDRAWN}


async def test_a_case_that_the_ledger_never_knew_can_be_erased_too(ledger, clock):
    assert await ledger.erasure.begin("01UNKNOWN", clock.now()) == []
    await ledger.erasure.finish("01UNKNOWN")


async def test_erasing_one_case_leaves_the_others_as_they_are(settled, clock, a_case, a_report):
    other = a_case("01KAS0000000000000000000B2")
    report = a_report("d" * 64, case_id=other.case_id)
    await settled.record_sealed_case(other, [report])
    await settled.erasure.begin(CASE, clock.now())
    await settled.erasure.finish(CASE)
    assert await settled.case(other.case_id) == other
    assert (await settled.report("d" * 64))[0] == report


async def test_no_byte_of_what_was_erased_is_left_in_any_file(
    ledger, tmp_path, clock, a_case, a_report
):
    """Many rows of many sizes, so that pages are split, filled and rebalanced."""
    cases = {f"01KAS{n:021d}": f"+8490{n:07d}" for n in range(120)}
    for n, (case_id, number) in enumerate(cases.items()):
        body = f"MARK{n:04d} {number} chuyển tiền " * (1 + n * 7 % 300)
        report = a_report(f"{n:064x}", case_id=case_id, body=body, address=f"a{n:04d}@example.vn")
        case = a_case(case_id, caller=number, subscriber=f"+8491{n:07d}")
        await ledger.record_sealed_case(case, [report], is_held=True)
        await ledger.desk.withdraw(report.report_id, f"WHY{n:04d}")
    gone = list(cases)[::3]
    for case_id in gone:
        await ledger.erasure.begin(case_id, clock.now())
        await ledger.erasure.finish(case_id)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for n, (case_id, number) in enumerate(cases.items()):
        marks = [f"MARK{n:04d}", number, f"+8491{n:07d}", f"a{n:04d}@", f"WHY{n:04d}"]
        left = [mark for mark in marks if mark.encode() in content]
        assert left == ([] if case_id in gone else marks), case_id


async def test_a_reader_that_never_ends_is_named_not_waited_for(
    ledger, tmp_path, clock, a_case, monkeypatch
):
    monkeypatch.setattr("ivr.storage.engine.BUSY_TIMEOUT_MS", 50)
    await ledger.record_sealed_case(a_case())
    await ledger.erasure.begin(CASE, clock.now())
    async with ledger._database.reading("look") as connection:
        await connection.exec_driver_sql("SELECT caller FROM cases")
        with pytest.raises(StorageError, match="forget what was erased"):
            await ledger.erasure.finish(CASE)
    await ledger.erasure.finish(CASE)


async def test_a_whole_id_is_found_though_another_begins_with_it(ledger, a_case):
    for case_id in ("01KAS", "01KAS2"):
        await ledger.record_sealed_case(a_case(case_id))
    assert (await ledger.case("01KAS")).case_id == "01KAS"
    with pytest.raises(InputError, match="No single case"):
        await ledger.case("01KA")


async def test_cases_opened_until_a_moment_can_be_asked_for(ledger, a_case, clock):
    early, late = clock.now(), clock.forward(60)
    await ledger.record_sealed_case(a_case("01EARLY", opened_at=early))
    await ledger.record_sealed_case(a_case("01LATE", opened_at=late))
    assert [case.case_id for case in await ledger.cases(before=early)] == ["01EARLY"]
