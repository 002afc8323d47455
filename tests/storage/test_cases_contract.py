"""What any ledger promises about cases."""

import pytest

from ivr.errors import InputError, StorageError
from ivr.facts.reports import Channel, DeliveryState


async def test_a_recorded_case_is_read_back_unchanged(ledger, a_case):
    await ledger.record_sealed_case(a_case())
    assert await ledger.case(a_case().case_id) == a_case()


async def test_a_case_without_a_number_is_kept_too(ledger, a_case):
    await ledger.record_sealed_case(a_case(caller=None))
    assert (await ledger.case(a_case().case_id)).caller is None


async def test_recording_again_changes_nothing_and_queues_nothing_twice(ledger, a_case, a_report):
    first = await ledger.record_sealed_case(a_case(), [a_report()])
    again = await ledger.record_sealed_case(a_case(), [a_report()])
    assert (first, again) == (("a" * 64,), ())
    assert len(await ledger.reports()) == 1
    assert len(await ledger.cases()) == 1


async def test_a_crash_between_seal_and_ledger_is_mended_by_recording_later(
    ledger, a_case, a_report
):
    """The case was entered without its reports (or not at all): recording completes it."""
    await ledger.record_sealed_case(a_case())
    sms = a_report("b" * 64, channel=Channel.SMS, recipient_id="156")
    assert await ledger.record_sealed_case(a_case(), [a_report(), sms]) == ("a" * 64, "b" * 64)


async def test_a_newer_template_does_not_file_the_same_thing_twice(ledger, a_case, a_report):
    await ledger.record_sealed_case(a_case(), [a_report()])
    reworded = a_report("d" * 64, template_sha256="f" * 64, body="khác")
    assert await ledger.record_sealed_case(a_case(), [reworded]) == ()
    assert [delivery.report_id for delivery in await ledger.reports()] == ["a" * 64]


async def test_a_withdrawn_report_stays_withdrawn_when_the_case_is_recorded_again(
    ledger, a_case, a_report
):
    await ledger.record_sealed_case(a_case(), [a_report()])
    await ledger.desk.withdraw("a" * 64, "gọi nhầm")
    await ledger.record_sealed_case(a_case(), [a_report()])
    assert (await ledger.reports())[0].state is DeliveryState.WITHDRAWN


async def test_another_seal_for_the_same_case_is_refused(ledger, a_case):
    await ledger.record_sealed_case(a_case())
    with pytest.raises(StorageError, match="under another seal"):
        await ledger.record_sealed_case(a_case(seal_sha256="6" * 64))
    assert (await ledger.case(a_case().case_id)).seal_sha256 == "5" * 64


async def test_case_and_reports_are_entered_together_or_not_at_all(ledger, a_case, a_report):
    """The second report breaks the transaction: its id is taken by another case's report."""
    await ledger.record_sealed_case(a_case(), [a_report()])
    other = a_case("01KAS0000000000000000000B2")
    clash = a_report(case_id=other.case_id)
    fine = a_report("b" * 64, case_id=other.case_id, recipient_id="so-khcn")
    with pytest.raises(StorageError):
        await ledger.record_sealed_case(other, [fine, clash])
    assert [case.case_id for case in await ledger.cases()] == [a_case().case_id]
    assert len(await ledger.reports()) == 1


async def test_a_report_of_another_case_is_refused(ledger, a_case, a_report):
    with pytest.raises(StorageError, match="another case"):
        await ledger.record_sealed_case(a_case(), [a_report(case_id="X")])


async def test_cases_are_listed_newest_first_and_can_be_narrowed(ledger, a_case, clock):
    ids = [f"01KAS0000000000000000000C{n}" for n in range(4)]
    for n, case_id in enumerate(ids):
        await ledger.record_sealed_case(
            a_case(
                case_id,
                opened_at=clock.forward(60),
                label="scam" if n % 2 else "clean",
                caller=f"+8498765432{n}",
            )
        )
    assert [case.case_id for case in await ledger.cases()] == ids[::-1]
    assert [case.case_id for case in await ledger.cases(limit=1)] == [ids[3]]
    assert [case.case_id for case in await ledger.cases(label="scam")] == [ids[3], ids[1]]
    since = clock.moment
    assert [case.case_id for case in await ledger.cases(since=since)] == [ids[3]]
    assert [case.case_id for case in await ledger.cases(caller="54322")] == [ids[2]]


async def test_a_subscriber_is_shown_the_own_cases_and_never_anothers(ledger, a_case):
    await ledger.record_sealed_case(a_case("01A", subscriber="+84900000001"))
    await ledger.record_sealed_case(a_case("01B", subscriber="+84900000002", seal_sha256="6" * 64))
    await ledger.record_sealed_case(a_case("01C", subscriber=None, seal_sha256="7" * 64))
    for asked, shown in (
        ("+84900000001", ["01A"]),
        ("+84900000002", ["01B"]),
        ("+8490000000", []),  # no part of a number opens anything
        ("%", []),
        ("", []),
    ):
        assert [c.case_id for c in await ledger.cases(subscriber=asked)] == shown


async def test_a_case_is_found_by_a_unique_beginning_only(ledger, a_case):
    await ledger.record_sealed_case(a_case("01KAS0000000000000000000A1"))
    await ledger.record_sealed_case(a_case("01KAS0000000000000000000A2"))
    assert (await ledger.case("01KAS0000000000000000000A2")).case_id.endswith("A2")
    with pytest.raises(InputError, match="several do"):
        await ledger.case("01KAS")
    for nothing in ("01ZZZ", "%", "_1KAS0000000000000000000A1"):
        with pytest.raises(InputError, match="there is none"):
            await ledger.case(nothing)


async def test_a_report_that_wants_a_person_is_held_beside_one_that_goes(ledger, a_case, a_report):
    held = a_report("a" * 64, needs_release=True)
    free = a_report("b" * 64, recipient_id="so-khcn")
    await ledger.record_sealed_case(a_case(), [held, free])
    states = {each.report_id[0]: each.state for each in await ledger.reports()}
    assert states == {"a": DeliveryState.HELD, "b": DeliveryState.PENDING}
