"""SMPP against a real centre on a real socket: sent once, or honestly unclear."""

import asyncio
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ivr.clock import SystemClock
from ivr.errors import DeliveryError, SettingsError, StorageError
from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers import chosen
from ivr.reporting.couriers.folder import FolderCourier
from ivr.reporting.couriers.smpp import SmppCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, Settings, SmppSettings
from ivr.storage.ledger import Ledger
from tests.fakes.smsc import BAD_ADDRESS, SYSTEM_ERROR, THROTTLED, message_centre


async def unkept(_):
    raise AssertionError("nothing comes back here")


@pytest.fixture
def replies():
    """What was kept, in order."""
    return []


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")
    return file


@pytest.fixture
def bound(secret, replies):
    """A courier for a centre; unbinds at the end."""

    @asynccontextmanager
    async def build(centre, **changes):
        values = {
            "host": "127.0.0.1",
            "port": centre.port,
            "security": "none",
            "system_id": "ivr",
            "password_file": secret,
            "source": "84900000001",
            "timeout_s": 3.0,
            "receipt_wait_s": 3.0,
            "throttle_first_s": 0.02,
        }

        async def keep(reply):
            replies.append(reply)

        made = SmppSettings(**{**values, **changes})
        courier = SmppCourier(made, keep, lambda: datetime.now(UTC))
        try:
            yield courier
        finally:
            await courier.close()

    return build


@pytest.fixture
def message(a_report):
    def build(body=None):
        report = a_report(channel=Channel.SMS)
        return report if body is None else replace(report, body=body)

    return build


class Commits:
    count = 0

    async def __call__(self):
        self.count += 1


@pytest.fixture
def commit():
    return Commits()


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - it looks at several things, of two sides
            await asyncio.sleep(0.01)


async def refused(sending):
    with pytest.raises(DeliveryError) as caught:
        await sending
    return caught.value


async def test_a_message_is_taken_and_its_receipt_is_told(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre) as courier:
        report = message()
        reference = await courier.deliver(report, case_path, commit)
    (taken,) = centre.taken
    assert (taken.source, taken.destination) == ("84900000001", "156")
    assert (taken.coding, taken.esm_class, taken.registered_delivery) == (0, 0, 1)
    assert taken.data.decode("ascii") == report.body
    assert reference == "SMPP 00000001 DELIVRD"
    assert (commit.count, centre.binds, centre.unbinds) == (1, 1, 1)


async def test_one_bind_serves_many_reports_at_once(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre) as courier:
        sending = (courier.deliver(message(f"LD {n}"), case_path, commit) for n in range(8))
        references = await asyncio.gather(*sending)
    assert centre.binds == 1
    assert len(set(references)) == 8
    assert sorted(each.data for each in centre.taken) == [f"LD {n}".encode() for n in range(8)]


@pytest.mark.parametrize(
    ("body", "coding", "per_part"), [("€" * 100, 0, 153), ("đòi chuyển tiền " * 8, 8, 134)]
)
async def test_a_long_message_goes_in_numbered_parts(
    bound, message, case_path, commit, body, coding, per_part
):
    async with message_centre() as centre, bound(centre) as courier:
        await courier.deliver(message(body), case_path, commit)
    assert len(centre.taken) == 2
    assert {(part.esm_class, part.coding) for part in centre.taken} == {(0x40, coding)}
    headers = [part.data[:6] for part in centre.taken]
    assert [tuple(header[:3]) for header in headers] == [(5, 0, 3)] * 2
    assert [tuple(header[4:]) for header in headers] == [(2, 1), (2, 2)]
    assert headers[0][3] == headers[1][3]
    texts = [part.data[6:] for part in centre.taken]
    assert max(map(len, texts)) <= per_part
    if coding == 8:
        assert b"".join(texts).decode("utf-16-be") == body
    else:
        assert b"".join(texts) == b"\x1b\x65" * 100
        assert all(text.endswith(b"\x65") for text in texts)  # no escape was parted


async def test_too_fast_is_waited_out(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre) as courier:
        centre.answers = [THROTTLED, 0x14, THROTTLED]
        await courier.deliver(message(), case_path, commit)
    assert (len(centre.submitted), len(centre.taken)) == (4, 1)


async def test_too_fast_for_too_long_is_certain_and_tried_again(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre, timeout_s=0.5) as courier:
        centre.answers = [THROTTLED] * 100
        problem = await refused(courier.deliver(message(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (True, False)
    assert centre.taken == []


@pytest.mark.parametrize(
    ("status", "is_retryable"), [(BAD_ADDRESS, False), (SYSTEM_ERROR, True), (0x0A, False)]
)
async def test_a_refusal_is_certain(bound, message, case_path, commit, status, is_retryable):
    async with message_centre() as centre, bound(centre) as courier:
        centre.answers = [status]
        problem = await refused(courier.deliver(message(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (is_retryable, False)
    assert f"0x{status:02X}" in problem.why


@pytest.mark.parametrize("answer", [None, "cut"])
async def test_a_message_without_an_answer_is_ambiguous(bound, message, case_path, commit, answer):
    async with message_centre() as centre, bound(centre, timeout_s=0.5) as courier:
        centre.answers = [answer]
        problem = await refused(courier.deliver(message(), case_path, commit))
    assert problem.is_ambiguous
    assert len(centre.taken) == 1


async def test_half_a_message_is_ambiguous(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre) as courier:
        centre.answers = [0, BAD_ADDRESS]
        problem = await refused(courier.deliver(message("x" * 200), case_path, commit))
    assert problem.is_ambiguous
    assert "1 of 2 parts" in problem.why


async def test_what_the_centre_could_not_deliver_has_failed(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre) as courier:
        centre.receipt = "UNDELIV"
        problem = await refused(courier.deliver(message(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (False, False)
    assert "UNDELIV" in problem.why


async def test_without_a_receipt_it_is_only_said_to_be_taken(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre, receipt_wait_s=0.1) as courier:
        centre.receipt = None
        reference = await courier.deliver(message(), case_path, commit)
    assert reference == "SMPP 00000001 no receipt yet"


async def test_a_listening_courier_is_bound_without_a_message_and_takes_late_receipts(
    bound, message, case_path, commit, replies
):
    async with message_centre() as centre, bound(centre, enquire_s=0.05) as courier:
        listening = asyncio.create_task(courier.listen())
        await until(lambda: centre.binds == 1)
        centre.deliver(b"id:77 stat:UNDELIV", esm_class=0x04)
        await until(lambda: replies)
        centre.writers[-1].transport.abort()
        await until(lambda: centre.binds == 2)  # by itself
        listening.cancel()
    assert (replies[0].provider_id, replies[0].word) == ("77", "UNDELIV")


async def test_what_cannot_be_kept_is_not_taken_and_comes_again(bound, message, tmp_path):
    async with message_centre() as centre, bound(centre, enquire_s=0.05) as courier:
        kept = []

        async def keep(reply):
            if not kept:
                kept.append("refused")
                raise StorageError("The ledger could not keep a reply.", why="full", remedy="Free.")
            kept.append(reply.raw)

        courier._keep = keep
        listening = asyncio.create_task(courier.listen())
        await until(lambda: centre.binds == 1)
        first = centre.deliver(b"Cam on")
        await until(lambda: centre.binds == 2)
        again = centre.deliver(b"Cam on")
        await until(lambda: again in centre.acknowledged)
        listening.cancel()
    assert kept == ["refused", b"Cam on"]
    assert first not in centre.acknowledged


async def test_a_lost_connection_is_made_again_for_the_next_report(
    bound, message, case_path, commit
):
    async with message_centre() as centre, bound(centre) as courier:
        await courier.deliver(message(), case_path, commit)
        centre.writers[-1].transport.abort()
        await until(lambda: courier._session.is_over)
        await courier.deliver(message("LD 2"), case_path, commit)
    assert centre.binds == 2
    assert [each.data for each in centre.taken][1:] == [b"LD 2"]


async def test_a_silent_line_is_asked_and_a_dead_one_given_up(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre, enquire_s=0.1) as courier:
        await courier.deliver(message(), case_path, commit)
        await until(lambda: centre.enquiries >= 2)
        assert not courier._session.is_over
        centre.is_deaf = True
        await until(lambda: courier._session.is_over)


async def test_the_centres_own_questions_are_answered(bound, message, case_path, commit):
    async with message_centre() as centre, bound(centre) as courier:
        await courier.deliver(message(), case_path, commit)
        centre.send_raw(0x15)
        centre.send_raw(0x103)  # data_sm: not ours
        await until(lambda: centre.nacked)
        assert centre.nacked == [0x03]
        assert not courier._session.is_over


async def test_replies_are_kept_word_for_word_before_the_centre_may_forget_them(
    bound, message, case_path, commit, replies
):
    async with message_centre() as centre, bound(centre) as courier:
        await courier.deliver(message(), case_path, commit)
        said = "Cảm ơn quý khách".encode("utf-16-be")
        plain = centre.deliver(said, coding=8)
        odd = centre.deliver(b"so", tail=b"\x14\x00\x00\x02ab")  # a maker's own parameter
        broken = centre.deliver(b"so", tail=b"\x02\x0c\x00")
        await until(lambda: {plain, odd, broken} <= set(centre.acknowledged))
    receipt, reply, other, raw = replies
    assert (receipt.kind, receipt.provider_id, receipt.word) == ("receipt", "00000001", "DELIVRD")
    assert (reply.sender, reply.coding, reply.kind) == ("156", 8, "answer")
    assert reply.raw.decode("utf-16-be") == "Cảm ơn quý khách"
    assert other.raw == b"so"
    assert b"so" in raw.raw


@pytest.mark.parametrize(
    "raw", [b"\xff" * 64, b"\0\0\0\x04" + b"\0" * 12, b"\0\0\0\x10" + b"\x80" * 12]
)
async def test_nonsense_ends_the_session_or_is_passed_over_and_never_the_courier(
    bound, message, case_path, commit, raw
):
    async with message_centre() as centre, bound(centre, timeout_s=1.0) as courier:
        await courier.deliver(message(), case_path, commit)
        centre.writers[-1].write(raw)
        await until(lambda: courier._session.is_over or raw[3] == 0x10)
        assert (await courier.deliver(message("LD 2"), case_path, commit)).startswith("SMPP")


async def test_a_refused_login_waits_for_the_administrator(
    bound, message, case_path, commit, secret
):
    async with message_centre() as centre:
        secret.write_text("wrong")
        async with bound(centre) as courier:
            problem = await refused(courier.deliver(message(), case_path, commit))
        secret.write_text("ninechars")
        async with bound(centre) as courier:
            too_long = await refused(courier.deliver(message(), case_path, commit))
    assert problem.is_retryable
    assert "0x0E" in problem.what
    assert "wrong" not in str(problem)
    assert "8 characters" in too_long.why
    assert (commit.count, centre.submitted) == (0, [])


async def test_nobody_listening_is_certain_and_tried_again(bound, message, case_path, commit):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))

        class Nobody:
            port = closed.getsockname()[1]

        async with bound(Nobody) as courier:
            problem = await refused(courier.deliver(message(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous, commit.count) == (True, False, 0)


async def test_over_tls_the_certificate_is_checked(
    bound, message, case_path, commit, tls_for, authority, ca_file
):
    async with message_centre(tls_for(authority)) as centre:
        async with bound(centre, security="tls", ca_file=ca_file) as courier:
            await courier.deliver(message(), case_path, commit)
        async with bound(centre, security="tls") as courier:
            problem = await refused(courier.deliver(message(), case_path, commit))
    assert problem.is_retryable
    assert len(centre.taken) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "smsc.example.vn", "security": "none"},
        {"host": "8.8.8.8", "security": "none"},
        {"host": "8.8.8.8", "security": "none", "plain_to_private": True},
        {"host": "smsc.example.vn", "security": "none", "plain_to_private": True},
        {"host": "10.1.2.3", "security": "none"},
        {"host": "fd00::1", "security": "none"},
        {"host": "smsc.example.vn", "ca_file": "/nowhere.pem"},
    ],
)
def test_settings_that_would_show_the_message_to_others_are_refused(settings):
    async def keep(_):
        pass

    with pytest.raises(SettingsError):
        SmppCourier(SmppSettings(**settings), keep, SystemClock().now)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "127.0.0.1"},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "10.1.2.3", "plain_to_private": True},
    ],
)
def test_clear_text_goes_to_this_machine_or_where_the_settings_say_so(settings):
    async def keep(_):
        pass

    SmppCourier(SmppSettings(security="none", **settings), keep, SystemClock().now)


async def test_an_unclear_message_waits_for_a_person_and_is_never_sent_twice(
    bound, message, a_case, tmp_path
):
    settings = ReportingSettings(retry_first_s=0.01, retry_longest_s=0.01, parallel=1)
    async with (
        message_centre() as centre,
        bound(centre) as courier,
        await Ledger.open(tmp_path / "ledger.sqlite3", SystemClock()) as ledger,
    ):
        centre.answers = ["cut"]
        await ledger.record_sealed_case(a_case, [message()])
        dispatcher = Dispatcher(ledger.outbox, {Channel.SMS: courier}, settings, SystemClock())
        for _ in range(3):
            await dispatcher.run_until_idle()
        (delivery,) = await ledger.reports()
        assert (delivery.state, len(centre.taken)) == (DeliveryState.UNCERTAIN, 1)
        await ledger.desk.confirm(delivery.report_id, "the operator has it")
        await dispatcher.run_until_idle()
    assert len(centre.taken) == 1


def test_when_the_program_ends_the_centre_is_told(bound, message, case_path, commit):
    async def send_and_leave(centre):
        courier = await bound(centre).__aenter__()
        await courier.deliver(message(), case_path, commit)
        courier._session._task.cancel()  # as the end of the program does
        await until(lambda: centre.unbinds)

    async def run():
        async with message_centre() as centre:
            await send_and_leave(centre)

    asyncio.run(run())


def test_an_installation_with_a_centre_sends_its_messages_there(tmp_path):
    now = SystemClock().now
    plain = chosen.couriers(Settings(), tmp_path / "outbox", now, unkept)
    assert {type(each) for each in plain.values()} == {FolderCourier}
    assert set(plain) == set(Channel)
    with_centre = Settings(smpp=SmppSettings(host="127.0.0.1", security="none"))
    found = chosen.couriers(with_centre, tmp_path / "outbox", now, unkept)
    assert isinstance(found[Channel.SMS], SmppCourier)
    assert isinstance(found[Channel.MAIL], FolderCourier)


def test_a_missing_library_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ivr.reporting.couriers.smpp", None)
    settings = Settings(smpp=SmppSettings(host="127.0.0.1", security="none"))
    with pytest.raises(SettingsError) as caught:
        chosen.couriers(settings, tmp_path / "outbox", SystemClock().now, unkept)
    assert "couriers.lock" in caught.value.remedy
