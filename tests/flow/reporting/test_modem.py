"""A modem through the real Gammu library and its dummy device."""

import asyncio
import threading
from dataclasses import replace

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
    reference = await ModemCourier(settings()).deliver(message, case_path, commit)
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
    courier = ModemCourier(settings(), lambda _: modem)
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
    courier = ModemCourier(settings(**changes))
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
    courier = ModemCourier(settings(home_only=home_only), lambda _: modem)
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
    courier = ModemCourier(settings(), lambda s: Watched(s, fails_at, problem))
    found = await refused(courier.deliver(replace(message, body=body), case_path, commit))
    assert (found.is_ambiguous, found.is_retryable) == (is_ambiguous, not is_ambiguous)


async def test_while_a_message_hangs_no_other_is_given_to_the_modem(
    settings, message, case_path, commit
):
    free = threading.Event()
    modem = Watched(settings(), waits=free)
    courier = ModemCourier(settings(timeout_s=0.3), lambda _: modem)
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


def test_an_installation_sends_by_modem_or_by_centre_not_by_both(tmp_path):
    now = SystemClock().now
    real = ModemSettings(device="/dev/ttyUSB0")
    found = chosen.couriers(Settings(modem=real), tmp_path, tmp_path / "outbox", now)
    assert isinstance(found[Channel.SMS], ModemCourier)
    both = Settings(modem=real, smpp=SmppSettings(host="127.0.0.1", security="none"))
    with pytest.raises(SettingsError, match="Two ways"):
        chosen.couriers(both, tmp_path, tmp_path / "outbox", now)


def test_the_dummy_device_never_stands_in_for_a_modem(settings, tmp_path):
    with pytest.raises(SettingsError, match="nobody gets"):
        chosen.couriers(
            Settings(modem=settings()), tmp_path, tmp_path / "outbox", SystemClock().now
        )
