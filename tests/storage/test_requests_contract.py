"""The queue of what people asked about their data: in time, once, and forgotten afterwards."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ivr.errors import InputError, UsageError
from ivr.facts.replies import ReportedMessage
from ivr.facts.rights import RequestKind, RequestState, SubjectRequest

NUMBER = "+84912345678"


@pytest.fixture
def wanted(clock):
    def build(**changes):
        values = {
            "reference": "",
            "kind": RequestKind.VIEW,
            "state": RequestState.OPEN,
            "received_at": clock.now(),
            "number": NUMBER,
            "name": "Nguyễn Văn An",
            "contact": "an@example.vn",
            "identity": "gọi lại số",
            "details": "xin xem dữ liệu",
            "has_third_party": False,
        }
        return SubjectRequest(**{**values, **changes})

    return build


@pytest.fixture
def desk(ledger):
    return ledger.requests_of_people


async def test_a_request_is_entered_under_a_reference_of_its_year(desk, wanted):
    first = await desk.add(wanted(), "hien")
    second = await desk.add(wanted(kind=RequestKind.DELETE), "hien")
    assert (first.reference, second.reference) == ("YC-2026-0001", "YC-2026-0002")
    found, steps = await desk.request("0002")
    assert found == second
    assert [(step.act, step.who, step.detail) for step in steps] == [("received", "hien", "delete")]


async def test_the_year_of_a_reference_is_that_of_vietnam(desk, wanted, clock):
    clock.moment = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)  # midnight in Vietnam
    assert (await desk.add(wanted(), "hien")).reference == "YC-2027-0001"


async def test_a_request_that_has_not_come_yet_is_refused(desk, wanted, clock):
    with pytest.raises(UsageError, match="future"):
        await desk.add(wanted(received_at=clock.now() + timedelta(seconds=1)), "hien")
    assert await desk.requests() == []


async def test_the_first_acknowledgement_counts(desk, wanted, clock):
    await desk.add(wanted(), "hien")
    first = clock.now()
    await desk.acknowledge("YC-2026-0001", "hien")
    clock.forward(3600)
    again = await desk.acknowledge("YC-2026-0001", "hien", has_third_party=True)
    assert (again.acknowledged_at, again.has_third_party) == (first, True)


async def test_it_is_extended_once_and_answered_once(desk, wanted, clock):
    await desk.add(wanted(), "hien")
    await desk.extend("YC-2026-0001", "hien", "nhiều hồ sơ")
    with pytest.raises(UsageError, match="extended") as caught:
        await desk.extend("YC-2026-0001", "hien", "vẫn nhiều")
    assert "before" in caught.value.why
    closed = await desk.answer("YC-2026-0001", RequestState.DONE, "hien", "đã gửi")
    assert (closed.state, closed.closed_at, closed.answer) == ("done", clock.now(), "đã gửi")
    for act in (desk.acknowledge("0001", "x"), desk.answer("0001", RequestState.DONE, "x", "")):
        with pytest.raises(UsageError, match="cannot be"):
            await act
    assert await desk.requests(is_open_only=True) == []


async def test_after_its_time_nothing_personal_is_left_and_the_steps_stay(desk, wanted, clock):
    await desk.add(wanted(), "hien")
    await desk.add(wanted(), "hien")
    await desk.answer("0001", RequestState.DONE, "hien", "đã gửi cho ông An")
    clock.forward(86_400)
    assert await desk.erase_closed(clock.now() - timedelta(days=2)) == 0
    assert await desk.erase_closed(clock.now()) == 1
    assert await desk.erase_closed(clock.now()) == 0
    left, steps = await desk.request("0001")
    personal = (left.number, left.name, left.contact, left.identity, left.details, left.answer)
    assert personal == ("",) * 6
    assert left.erased_at == clock.now()
    assert [step.act for step in steps] == ["received", "answered", "erased"]
    kept, _ = await desk.request("0002")
    assert kept.number == NUMBER


async def test_a_number_finds_its_cases_whether_it_called_or_was_called(ledger, desk, a_case):
    for n, numbers in enumerate(
        [
            {"caller": NUMBER},
            {"caller": "+84900000001", "subscriber": NUMBER},
            {"caller": NUMBER + "9"},
            {"caller": None},
        ]
    ):
        await ledger.record_sealed_case(a_case(f"01KAS{n:021d}", **numbers))
    found = [case.case_id[-1] for case in await desk.cases_of(NUMBER)]
    assert sorted(found) == ["0", "1"]


@pytest.mark.parametrize("reference", ["", "0001", "%", "YC-2026-"])
async def test_a_reference_must_name_one_request(desk, wanted, reference):
    if reference != "0001":
        await desk.add(wanted(), "hien")
    with pytest.raises(InputError, match="No single request"):
        await desk.request(reference)


async def test_a_number_finds_the_messages_that_it_sent(ledger, desk, clock):
    sent = ReportedMessage("sms-1", "LD", "0912345678", NUMBER, "lời", clock.now(), "hien")
    other = replace(sent, message_id="sms-2", number="+84900000001")
    for message in (sent, other, replace(sent, message_id="sms-3", number=None)):
        await ledger.messages.enter(message, [])
    assert await desk.messages_of(NUMBER) == [("sms-1", "LD", clock.now())]
