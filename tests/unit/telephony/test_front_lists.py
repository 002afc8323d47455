"""What the front is told: who may call, and where the workers are."""

import pytest

from ivr.errors import SettingsError
from ivr.settings import Settings
from ivr.telephony.front import address_list, dispatcher_list

TRUNKS = (
    {"name": "a", "networks": ("198.51.100.0/28", "203.0.113.7")},
    {"name": "b", "networks": ("2001:db8::/64",)},
)


def test_every_network_of_every_trunk_may_call() -> None:
    lines = address_list(Settings(trunks=TRUNKS)).splitlines()
    assert lines[0].startswith("#")
    assert lines[1:] == [
        "1 198.51.100.0 28 0 a",
        "1 203.0.113.7 32 0 a",
        "1 2001:db8:: 64 0 b",
    ]


def test_every_worker_is_in_the_set() -> None:
    told = dispatcher_list(Settings(sip={"bind": "::1", "port": 5070, "workers": 3}))
    assert told.splitlines()[1:] == [
        "1 sip:[::1]:5070 0 0",
        "1 sip:[::1]:5071 0 0",
        "1 sip:[::1]:5072 0 0",
    ]


def test_a_front_for_nobody_is_refused() -> None:
    with pytest.raises(SettingsError, match="nobody") as caught:
        address_list(Settings())
    assert "trunks" in caught.value.remedy


def test_ports_that_nobody_knows_are_refused() -> None:
    with pytest.raises(SettingsError, match="ports"):
        dispatcher_list(Settings(sip={"port": 0}))
