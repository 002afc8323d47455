"""What comes back is kept word for word, and says late what became of a message."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.replies import Bearing, Reply, ReplyKind, SmppReference
from ivr.facts.reports import Channel, DeliveryState

S = DeliveryState
SMS = {Channel.SMS}


@pytest.fixture
def receipt(clock):
    def build(provider_id="0000A1", word="UNDELIV", n=0):
        return Reply(
            reply_id=Reply.id_of(provider_id.encode(), word.encode(), bytes([n])),
            channel=Channel.SMS,
            kind=ReplyKind.RECEIPT,
            sender="156",
            received_at=clock.now(),
            raw=f"id:{provider_id} stat:{word}".encode(),
            coding=0,
            provider_id=provider_id,
            word=word,
        )

    return build


@pytest.fixture
def a_message(a_report):
    return a_report("a" * 64, channel=Channel.SMS, recipient_id="156", address="156")


@pytest.fixture
async def leased(ledger, clock, a_case, a_message):
    await ledger.record_sealed_case(a_case(), [a_message])
    return await ledger.outbox.lease("me", clock.now(), 60, SMS, ())


async def state_of(ledger):
    (delivery,) = await ledger.reports()
    return delivery.state, delivery.provider_reference


async def sent(ledger, clock, lease, reference="SMPP 0000A1 no receipt yet"):
    return await ledger.outbox.settle_sent(lease, clock.now(), reference, S.SENT)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("DELIVRD", S.SENT),
        ("UNDELIV", S.FAILED),
        ("REJECTD", S.FAILED),
        ("EXPIRED", S.FAILED),
        ("ENROUTE", S.SENT),
    ],
)
async def test_a_late_receipt_changes_the_state(ledger, clock, leased, receipt, word, state):
    await sent(ledger, clock, leased)
    await ledger.replies.keep(receipt("a1", word))  # no zeros, other letters: the same id
    assert await state_of(ledger) == (state, f"SMPP 0000A1 {word}")
    (kept,) = await ledger.replies.kept()
    assert (kept.report_id, kept.reply) == ("a" * 64, receipt("a1", word))
    assert any(word in line for line in await ledger.history("a" * 64))


async def test_a_receipt_that_overtakes_the_settlement_is_not_lost(ledger, clock, leased, receipt):
    await ledger.replies.keep(receipt())
    (kept,) = await ledger.replies.kept()
    assert kept.report_id is None
    delivery = await sent(ledger, clock, leased)
    assert (delivery.state, delivery.last_error) == (S.FAILED, "not delivered: UNDELIV")
    (kept,) = await ledger.replies.kept()
    assert (kept.report_id, kept.effect) == ("a" * 64, "sent → failed")


async def test_a_message_in_parts_has_arrived_when_all_have_and_failed_when_one_has(
    ledger, clock, leased, receipt
):
    await sent(ledger, clock, leased, "SMPP A1 no receipt yet, A2 no receipt yet")
    await ledger.outbox.settle_failed(leased, clock.now(), "?", S.UNCERTAIN)
    await ledger.replies.keep(receipt("A1", "DELIVRD"))
    assert await state_of(ledger) == (S.SENT, "SMPP A1 DELIVRD, A2 no receipt yet")
    await ledger.replies.keep(receipt("A2", "EXPIRED"))
    assert (await state_of(ledger))[0] is S.FAILED
    await ledger.replies.keep(receipt("A2", "DELIVRD"))  # a final word is not taken back
    assert await state_of(ledger) == (S.FAILED, "SMPP A1 DELIVRD, A2 EXPIRED")


async def test_old_news_of_a_failure_stops_no_new_attempt(ledger, clock, leased, receipt):
    await sent(ledger, clock, leased, "SMPP A1 UNDELIV")
    await ledger.replies.keep(receipt("A1", "UNDELIV"))
    await ledger.desk.retry("a")
    assert (await state_of(ledger))[0] is S.PENDING
    await ledger.replies.keep(receipt("A1", "UNDELIV", n=1))
    assert (await state_of(ledger))[0] is S.PENDING


async def test_the_state_on_the_way_is_noted_and_the_last_one_stays(ledger, clock, leased, receipt):
    await sent(ledger, clock, leased, "SMPP A1 no receipt yet")
    await ledger.replies.keep(receipt("A1", "ACCEPTD"))
    await ledger.replies.keep(receipt("A1", "DELIVRD"))
    assert await state_of(ledger) == (S.SENT, "SMPP A1 DELIVRD")


async def test_a_withdrawn_report_stays_withdrawn(ledger, clock, leased, receipt):
    await ledger.outbox.settle_failed(leased, clock.now(), "no", S.FAILED)
    await ledger.desk.withdraw("a", "a mistake")
    await ledger.replies.keep(receipt())
    assert (await state_of(ledger))[0] is S.WITHDRAWN


async def test_the_same_reply_again_is_kept_once(ledger, clock, leased, receipt):
    await sent(ledger, clock, leased)
    await asyncio.gather(*(ledger.replies.keep(receipt()) for _ in range(3)))
    assert len(await ledger.replies.kept()) == 1


async def test_words_are_kept_and_change_nothing(ledger, clock, leased, receipt):
    await sent(ledger, clock, leased)
    words = replace(
        receipt(), reply_id="1" * 64, kind=ReplyKind.ANSWER, raw="Cảm ơn".encode(), provider_id="",
        word="",
    )  # fmt: skip
    await ledger.replies.keep(words)
    (kept,) = await ledger.replies.kept()
    assert (kept.reply, kept.report_id, kept.effect) == (words, None, "kept")
    assert (await state_of(ledger))[0] is S.SENT


async def test_a_bounce_names_its_report(ledger, clock, a_case, a_report):
    await ledger.record_sealed_case(a_case(), [a_report("ab" * 32), a_report("ac" * 32)][:1])
    lease = await ledger.outbox.lease("me", clock.now(), 60, {Channel.MAIL}, ())
    await ledger.outbox.settle_sent(lease, clock.now(), "250 queued", S.SENT)
    bounce = Reply(
        "b" * 64, Channel.MAIL, ReplyKind.BOUNCE, "mailer-daemon@x", clock.now(), b"...",
        report_prefix=("ab" * 32)[:40], word="failed 5.1.1", bearing=Bearing.REFUSED,
    )  # fmt: skip
    stranger = replace(bounce, reply_id="c" * 64, report_prefix="0" * 40)
    await ledger.replies.keep(stranger)
    assert (await state_of(ledger))[0] is S.SENT
    await ledger.replies.keep(bounce)
    (delivery,) = await ledger.reports(states=(S.FAILED, S.UNCERTAIN))
    assert delivery.last_error == "not delivered: failed 5.1.1"
    assert delivery.provider_reference == "250 queued"
    found = await ledger.replies.kept(case_id=a_case().case_id)
    assert [each.reply.reply_id for each in found] == ["b" * 64]


@pytest.mark.parametrize("is_asked_for_again", [False, True])
async def test_an_answer_ends_the_doubt_and_what_has_arrived_is_not_sent_again(
    ledger, clock, a_case, a_report, is_asked_for_again
):
    await ledger.record_sealed_case(a_case(), [a_report("ab" * 32)])
    lease = await ledger.outbox.lease("me", clock.now(), 60, {Channel.MAIL}, ())
    await ledger.outbox.settle_failed(lease, clock.now(), "cut off", S.UNCERTAIN)
    if is_asked_for_again:
        await ledger.desk.retry("ab")
    answer = Reply(
        "b" * 64, Channel.MAIL, ReplyKind.ANSWER, "officer@x", clock.now(), b"...",
        report_prefix=("ab" * 32)[:40], bearing=Bearing.ARRIVED,
    )  # fmt: skip
    await ledger.replies.keep(answer)
    assert (await state_of(ledger))[0] is S.SENT
    assert await ledger.outbox.lease("me", clock.now(), 60, {Channel.MAIL}, ()) is None


async def test_replies_to_a_deleted_case_lose_their_words(ledger, clock, leased, receipt, a_case):
    await sent(ledger, clock, leased)
    await ledger.replies.keep(receipt(word="DELIVRD"))
    assert await ledger.erasure.begin(a_case().case_id, clock.now()) == []
    await ledger.erasure.finish(a_case().case_id)
    (kept,) = await ledger.replies.kept()
    assert (kept.reply.raw, kept.reply.sender, kept.reply.provider_id) == (b"", "", "")


async def test_a_reused_id_means_the_latest_report(ledger, clock, a_case, a_message, receipt):
    later = replace(a_message, report_id="b" * 64, recipient_id="5656")
    await ledger.record_sealed_case(a_case(), [a_message, later])
    for _ in range(2):
        lease = await ledger.outbox.lease("me", clock.now(), 60, SMS, ())
        await sent(ledger, clock, lease)
        clock.forward(timedelta(days=30).total_seconds())
    await ledger.replies.keep(receipt())
    states = {each.report_id[0]: each.state for each in await ledger.reports()}
    assert states == {"a": S.SENT, "b": S.FAILED}


IDS = st.from_regex(r"[0-9A-Za-z-]{1,20}", fullmatch=True)
WORDS = st.none() | st.from_regex(r"[A-Z]{3,8}", fullmatch=True)


@given(st.lists(st.tuples(IDS, WORDS), min_size=1, max_size=5).map(tuple))
def test_a_reference_reads_back_as_it_was_written(parts):
    reference = SmppReference(parts)
    assert SmppReference.read(str(reference)) == reference


@given(st.text())
def test_other_references_are_none_of_a_centre(text):
    found = SmppReference.read("SMPP " + text)
    assert found is None or str(found) == "SMPP " + text
    assert SmppReference.read("modem " + text) is None
