"""Trunks: known by address, believed as the settings say, no more calls than they may have."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from ivr.ports import Line
from ivr.settings import Settings
from ivr.telephony.offer import SipOffer, read_offer
from ivr.telephony.protected import Protected
from ivr.telephony.trunks import Trunks

NOBODY = Protected()
HOUSE = Settings(
    trunks=(
        {"name": "wide", "networks": ("10.0.0.0/8",), "trusts_headers": False},
        {
            "name": "narrow",
            "networks": ("10.1.2.0/24", "2001:db8::/64"),
            "identity_precedence": ("Remote-Party-ID", "From"),
            "max_calls": 2,
        },
        {"name": "abroad", "networks": ("10.7.0.0/16",), "carries": "international"},
        {"name": "state", "networks": ("10.8.0.0/16",), "carries": "state"},
    ),
    sip={"trusted_from": ("127.0.0.0/8",), "front_from": ("192.0.2.200/32",)},
)


def trunks() -> Trunks:
    return Trunks(HOUSE.trunks, HOUSE.sip)


def offer(source: str, *lines: str) -> SipOffer:
    head = "".join(f"{line}\r\n" for line in lines)
    raw = f"INVITE sip:an@h SIP/2.0\r\n{head}\r\n".encode()
    return read_offer(raw, (source, 5060), "udp", datetime(2026, 11, 25, tzinfo=UTC))


@dataclass
class Call:
    """A line as far as counting goes."""

    closed: object = None


def call() -> Any:
    return cast(Line, Call())


@pytest.mark.parametrize(
    ("source", "name", "is_trusted"),
    [
        ("10.1.2.3", "narrow", True),
        ("10.1.3.3", "wide", False),
        ("2001:db8::7", "narrow", True),
        ("[2001:db8::7]", "narrow", True),
        ("127.0.0.1", "", True),
        ("198.51.100.1", "", False),
        ("no address", "", False),
    ],
)
def test_a_trunk_is_known_by_the_smallest_network(source: str, name: str, is_trusted: bool) -> None:
    origin = trunks().origin(offer(source))
    assert (origin.trunk, origin.is_trusted) == (name, is_trusted)


def test_each_trunk_has_its_own_precedence() -> None:
    lines = (
        "From: <sip:0901111111@x>",
        "P-Asserted-Identity: <tel:+84902222222>",
        "Remote-Party-ID: <sip:0903333333@x>",
    )
    chosen = {
        source: trunks().caller(offer(source, *lines), NOBODY).number
        for source in ("127.0.0.1", "10.1.2.3", "10.9.9.9", "198.51.100.1")
    }
    assert chosen == {
        "127.0.0.1": "+84902222222",
        "10.1.2.3": "+84903333333",
        "10.9.9.9": "+84901111111",
        "198.51.100.1": "+84901111111",
    }


@pytest.mark.parametrize(
    ("source", "number", "flag"),
    [
        ("10.9.9.9", "0692123456", "state_number_over_public_trunk"),
        ("127.0.0.1", "0801234567", "state_number_over_public_trunk"),
        ("10.7.0.1", "0901234567", "vietnamese_over_international_trunk"),
    ],
)
def test_a_number_that_does_not_belong_on_its_trunk_is_flagged(
    source: str, number: str, flag: str
) -> None:
    assert flag in trunks().caller(offer(source, f"From: <sip:{number}@x>"), NOBODY).flags


def test_a_number_of_the_state_over_its_own_trunk_is_not() -> None:
    caller = trunks().caller(offer("10.8.0.1", "From: <sip:0692123456@x>"), NOBODY)
    assert caller.flags == ("police_army_range",)


@pytest.mark.parametrize(
    ("headers", "address", "name"),
    [
        (("X-Ivr-Source: 10.1.2.3;port=5060;transport=tls",), "10.1.2.3", "narrow"),
        (("x-ivr-source: [2001:db8::7]",), "2001:db8::7", "narrow"),
        ((), "", ""),
        (("X-Ivr-Source: 10.1.2.3", "X-Ivr-Source: 10.8.0.1"), "", ""),
        (("X-Ivr-Source: moon",), "", ""),
    ],
)
def test_our_front_says_where_a_call_came_from(
    headers: tuple[str, ...], address: str, name: str
) -> None:
    origin = trunks().origin(offer("192.0.2.200", *headers))
    assert (origin.address, origin.trunk) == (address, name)
    assert origin.is_trusted == bool(name)


def test_nobody_else_is_asked_where_a_call_came_from() -> None:
    origin = trunks().origin(offer("198.51.100.1", "X-Ivr-Source: 10.8.0.1"))
    assert (origin.address, origin.trunk, origin.is_trusted) == ("198.51.100.1", "", False)


def test_a_trunk_has_no_more_calls_than_it_may_and_gets_room_back() -> None:
    known = trunks()
    origin = known.origin(offer("10.1.2.3"))
    first, second = call(), call()
    assert [known.admit(origin, line) for line in (first, second, call())] == [True, True, False]
    first.closed = "over"
    assert known.admit(origin, call())
    assert not known.admit(origin, call())


def test_a_full_trunk_takes_no_room_from_others() -> None:
    known = trunks()
    narrow = known.origin(offer("10.1.2.3"))
    while known.admit(narrow, call()):
        continue
    assert all(known.admit(known.origin(offer("10.9.9.9")), call()) for _ in range(50))
