"""A modem through the real Gammu library and its dummy device."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime

import gammu
import pytest

from ivr.clock import SystemClock
from ivr.errors import DeliveryError, SettingsError
from ivr.facts.reports import Channel
from ivr.reporting.couriers import chosen
from ivr.reporting.couriers.modem import ModemCourier, open_gammu
from ivr.settings import ModemSettings, Settings, SmppSettings


@pytest.fixture
def device(tmp_path):
    folder = tmp_path / "modem"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(device):
    def build(**changes):
        values = {"device": device, "connection": "none", "model": "dummy", "timeout_s": 10.0}
        return ModemSettings(**{**values, **changes})

    return build


@pytest.fixture
def message(a_report):
    return a_report(channel=Channel.SMS)


async def unkept(_):
    raise AssertionError("nothing lies on this SIM")


def courier_of(settings, open_modem=open_gammu, keep=unkept):
    return ModemCourier(settings, keep, SystemClock().now, open_modem)


class Commits:
    count = 0

    async def __call__(self):
        self.count += 1


@pytest.fixture
def commit():
    return Commits()


class Watched:
    """The dummy device, with what it is given kept, and a failure where a test wants one."""

    def __init__(self, settings, fails_at=None, problem=None, waits=None, state=None):
        self._machine = open_gammu(settings)
        self.given = []
        self._fails_at, self._problem, self._waits, self._state = fails_at, problem, waits, state

    def SendSMS(self, message):  # noqa: N802 - Gammu's name
        self.given.append(message)
        if self._waits is not None:
            self._waits.wait(20)
        if len(self.given) == self._fails_at:
            raise self._problem
        return self._machine.SendSMS(message)

    def GetNetworkInfo(self):  # noqa: N802 - Gammu's name
        found = self._machine.GetNetworkInfo()
        return {**found, "State": self._state} if self._state else found


async def refused(sending):
    with pytest.raises(DeliveryError) as caught:
        await sending
    return caught.value


async def test_a_message_goes_out_through_gammu(settings, message, case_path, commit):
    reference = await courier_of(settings()).deliver(message, case_path, commit)
    assert reference == "modem 255"
    assert commit.count == 1


@pytest.mark.parametrize(
    ("body", "count", "coding"),
    [
        ("LD (0987654321) (Mao danh cong an)", 1, "Default_No_Compression"),
        ("đòi chuyển tiền " * 8, 2, "Unicode_No_Compression"),
    ],
)
async def test_each_part_says_which_it_is(
    settings, message, case_path, commit, body, count, coding
):
    modem = Watched(settings())
    courier = courier_of(settings(), lambda _: modem)
    await courier.deliver(replace(message, body=body), case_path, commit)
    assert [each["Number"] for each in modem.given] == ["156"] * count
    assert {each["Coding"] for each in modem.given} == {coding}
    assert "".join(each["Text"] for each in modem.given) == body
    assert [each["UDH"]["PartNumber"] for each in modem.given] == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"device": "/nowhere/ttyUSB0", "connection": "at115200", "model": ""}, "NOTEXIST"),
        ({"device": "/dev/null", "connection": "at115200", "model": ""}, "OPENERROR"),
        ({"connection": "no such thing"}, "ERR_"),
    ],
)
async def test_a_modem_that_does_not_open_is_certain_and_tried_again(
    settings, message, case_path, commit, changes, why
):
    courier = courier_of(settings(**changes))
    problem = await refused(courier.deliver(message, case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous, commit.count) == (True, False, 0)
    assert why in problem.why


@pytest.mark.parametrize(
    ("state", "home_only", "is_sent"),
    [
        ("RequestingNetwork", True, False),
        ("RoamingNetwork", True, False),
        ("RoamingNetwork", False, True),
        ("NoNetwork", False, False),
    ],
)
async def test_nothing_is_sent_outside_the_network_that_knows_the_short_code(
    settings, message, case_path, commit, state, home_only, is_sent
):
    modem = Watched(settings(), state=state)
    courier = courier_of(settings(home_only=home_only), lambda _: modem)
    if is_sent:
        await courier.deliver(message, case_path, commit)
    else:
        problem = await refused(courier.deliver(message, case_path, commit))
        assert (problem.is_retryable, commit.count) == (True, 0)
        assert state in problem.why
    assert len(modem.given) == is_sent


@pytest.mark.parametrize(
    ("problem", "fails_at", "body", "is_ambiguous"),
    [
        (gammu.ERR_TIMEOUT({"Text": "no answer", "Where": "SendSMS", "Code": 14}), 1, "LD", True),
        (gammu.ERR_UNKNOWN({"Text": "?", "Where": "SendSMS", "Code": 27}), 1, "LD", True),
        (gammu.ERR_NOSIM({"Text": "no SIM", "Where": "SendSMS", "Code": 49}), 1, "LD", False),
        (gammu.ERR_NOSIM({"Text": "no SIM", "Where": "SendSMS", "Code": 49}), 2, "x" * 200, True),
    ],
)
async def test_a_failure_while_sending_is_certain_only_when_nothing_can_have_left(
    settings, message, case_path, commit, problem, fails_at, body, is_ambiguous
):
    courier = courier_of(settings(), lambda s: Watched(s, fails_at, problem))
    found = await refused(courier.deliver(replace(message, body=body), case_path, commit))
    assert (found.is_ambiguous, found.is_retryable) == (is_ambiguous, not is_ambiguous)


async def test_while_a_message_hangs_no_other_is_given_to_the_modem(
    settings, message, case_path, commit
):
    free = threading.Event()
    modem = Watched(settings(), waits=free)
    courier = courier_of(settings(timeout_s=0.3), lambda _: modem)
    try:
        first = await refused(courier.deliver(message, case_path, commit))
        second = await refused(courier.deliver(message, case_path, commit))
    finally:
        free.set()
    assert (first.is_ambiguous, second.is_ambiguous, second.is_retryable) == (True, False, True)
    assert "busy" in second.why
    assert (len(modem.given), commit.count) == (1, 1)
    await asyncio.wait_for(asyncio.shield(courier._job), 5)
    await courier.deliver(message, case_path, commit)
    assert len(modem.given) == 2


def put_on_the_sim(settings, number, text, hour=9, kind="Deliver"):
    machine = open_gammu(settings)
    message = {
        "Text": text,
        "SMSC": {"Location": 1},
        "Number": number,
        "Folder": 1,
        "State": "UnRead",
        "Type": kind,
        "DateTime": datetime(2026, 11, 24, hour, tzinfo=UTC),
    }
    machine.AddSMS(message)


async def test_answers_of_the_short_codes_are_copied_once_and_others_passed_over(settings):
    given = settings()
    for hour in (9, 10):
        put_on_the_sim(given, "156", "Cam on quy khach", hour)
    put_on_the_sim(given, "+84912345678", "mẹ ơi con về")
    put_on_the_sim(given, "5656", "Da tiep nhan")
    kept = []

    async def keep(reply):
        kept.append(reply)

    courier = courier_of(given, keep=keep)
    await courier.read_answers()
    await courier.read_answers()  # they stay on the SIM; the ledger knows them by their id
    found = {reply.reply_id: (reply.sender, reply.raw) for reply in kept}
    assert sorted(found.values()) == [
        ("156", b"Cam on quy khach"),
        ("156", b"Cam on quy khach"),
        ("5656", b"Da tiep nhan"),
    ]
    assert len(kept) == 6


async def test_listening_goes_on_when_the_modem_is_away(settings, device):
    given, kept = settings(replies_every_s=0.02), []
    put_on_the_sim(given, "156", "Cam on")
    attempts = []

    def open_modem(wanted):
        attempts.append(wanted)
        if len(attempts) < 3:
            raise gammu.ERR_DEVICEOPENERROR
        return open_gammu(wanted)

    async def keep(reply):
        kept.append(reply)

    listening = asyncio.create_task(courier_of(given, open_modem, keep).listen())
    async with asyncio.timeout(10):
        while not kept:  # noqa: ASYNC110 - it polls what a thread fills
            await asyncio.sleep(0.01)
    listening.cancel()
    assert kept[0].raw == b"Cam on"


def test_an_installation_sends_by_modem_or_by_centre_not_by_both(tmp_path):
    now = SystemClock().now
    real = ModemSettings(device="/dev/ttyUSB0")
    found = chosen.couriers(Settings(modem=real), tmp_path / "outbox", now, unkept)
    assert isinstance(found[Channel.SMS], ModemCourier)
    both = Settings(modem=real, smpp=SmppSettings(host="127.0.0.1", security="none"))
    with pytest.raises(SettingsError, match="Two ways"):
        chosen.couriers(both, tmp_path / "outbox", now, unkept)


def test_the_dummy_device_never_stands_in_for_a_modem(settings, tmp_path):
    with pytest.raises(SettingsError, match="nobody gets"):
        chosen.couriers(Settings(modem=settings()), tmp_path / "outbox", SystemClock().now, unkept)
