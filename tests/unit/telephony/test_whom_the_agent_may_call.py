"""Targets have one form, in which nothing can be hidden; outcomes and registrations in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.call import Pickup
from ivr.telemetry import logger
from ivr.telephony.call_end import pickup
from ivr.telephony.registrations import told
from ivr.telephony.targets import Targets, is_showable, read_registrar, read_target

GOOD = {
    "sip:an@127.0.0.1": ("127.0.0.1", 5060),
    "sip:+84912345678@10.0.0.5:5070": ("10.0.0.5", 5070),
    "sip:an@10.0.0.5;transport=tcp": ("10.0.0.5", 5060),
    "sip:an@[2001:db8::1]:5061": ("2001:db8::1", 5061),
}


@pytest.mark.parametrize(("uri", "at"), GOOD.items())
def test_a_target_names_a_user_at_a_numeric_address(uri: str, at: tuple[str, int]) -> None:
    assert read_target(uri) == at
    assert Targets(GOOD).address_of(uri) == at


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "",
            "an",
            "tel:+84912345678",
            "sips:an@127.0.0.1",
            "sip:127.0.0.1",
            "sip:an@host.example",
        ),
        *("sip:an@127.0.0.1:0", "sip:an@127.0.0.1:99999", "sip:an@999.0.0.1", "sip:an@[::1"),
        *("sip:an@127.0.0.1?Replaces=x", "sip:an@127.0.0.1;maddr=1.2.3.4", "sip:a:pw@127.0.0.1"),
        *(
            "sip:an@127.0.0.1\r\nX: y",
            "sip:an@127.0.0.1\n",
            " sip:an@127.0.0.1",
            "<sip:an@127.0.0.1>",
        ),
        *("sip:an@127.0.0.1,sip:b@127.0.0.1", "sip:a%40b@127.0.0.1", "SIP:an@127.0.0.1"),
        *(
            "sip:an@127.0.0.1;transport=tls",
            "sip:an@127.0.0.1;transport=udp;lr",
            "sip:ăn@127.0.0.1",
        ),
        *("sip:an@[::1];transport=tcp", "sip:an@1.1", "sip:an@127.0.0.1%0d%0aX:y"),
    ],
)
def test_anything_else_is_no_target(uri: str) -> None:
    with pytest.raises(ValueError, match=r"sip:|does not appear"):
        read_target(uri)
    assert Targets(GOOD).address_of(uri) is None


@given(st.text(max_size=80) | st.from_regex(r"sip:[!-~]{1,30}@[!-~]{1,30}"))
def test_whatever_passes_is_one_plain_word(text: str) -> None:
    try:
        read_target(text)
    except ValueError:
        return
    assert text.isascii()
    assert not set(text) & set(" \r\n\t<>?,%&#\"'")
    assert text.count("@") == 1


def test_a_registrar_has_no_user() -> None:
    assert read_registrar("sip:10.0.0.1:5070;transport=tcp") == ("10.0.0.1", 5070, "tcp")
    assert read_registrar("sip:[::1]") == ("::1", 5060, "udp")
    with pytest.raises(ValueError, match="ADDRESS"):
        read_registrar("sip:an@10.0.0.1")


def test_what_stands_in_from_is_plain() -> None:
    assert is_showable("0249999")
    assert not any(map(is_showable, ("", "a b", "a>\r\nX: y", "a@b", "a" * 65)))


@pytest.mark.parametrize(
    ("status", "has_rung", "is_given_up", "is_too_late", "outcome"),
    [
        (486, True, False, False, Pickup.BUSY),
        (600, False, False, False, Pickup.BUSY),
        (480, True, False, False, Pickup.NO_ANSWER),
        (408, True, False, False, Pickup.NO_ANSWER),
        (408, False, False, False, Pickup.UNREACHABLE),
        (302, False, False, False, Pickup.REFUSED),
        (603, True, False, False, Pickup.REFUSED),
        (404, False, False, False, Pickup.UNREACHABLE),
        (500, False, False, False, Pickup.UNREACHABLE),
        (487, True, True, False, Pickup.GIVEN_UP),
        (487, True, False, True, Pickup.NO_ANSWER),
        (408, False, False, True, Pickup.UNREACHABLE),
    ],
)
def test_how_ringing_ends(
    status: int, has_rung: bool, is_given_up: bool, is_too_late: bool, outcome: Pickup
) -> None:
    assert pickup(status, has_rung, is_given_up, is_too_late) is outcome


@pytest.mark.parametrize(
    ("status", "expires_s", "refused", "problem"),
    [
        (200, 60, False, ""),
        (200, 0, False, "taken back"),
        (401, 0, True, "refuses the user name or the password"),
        (403, 0, False, "refuses the user name or the password"),
        (408, 0, False, "does not answer"),
        (500, 0, False, "it is asked again"),
        (404, 0, False, "not asked again before a restart"),
    ],
)
def test_a_registration_is_told_in_words(
    status: int, expires_s: int, refused: bool, problem: str
) -> None:
    message = {
        "registrar": "sip:10.0.0.1",
        "status": status,
        "reason": "So",
        "expires_s": expires_s,
        "is_password_refused": refused,
    }
    state = told(message, logger("test"))
    assert state.is_registered is (problem == "")
    assert problem in state.problem
