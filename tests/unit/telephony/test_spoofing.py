"""What is odd about names, signatures and data that come with a call, told without convicting."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import geocoder, parse

from ivr.sip.message import parse as parse_message
from ivr.telephony.identity import read_identities, read_identity
from ivr.telephony.numbers import normalise
from ivr.telephony.passport import read_passport, read_user_to_user
from ivr.telephony.spoofing import display_flags, skeleton, text_flags

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def passport(**claims: object) -> str:
    parts = [{"alg": "ES256", "ppt": "shaken", "x5u": "https://cert.example/a.pem"}, claims]
    coded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts]
    return ".".join(each.rstrip("=") for each in coded) + ".c2ln;info=<https://cert.example>"


@pytest.mark.parametrize(
    ("display", "e164", "flags"),
    [
        ("Công an tỉnh", "+84912345678", {"authority_display"}),
        ("BỘ CÔNG AN", "+375291234567", {"authority_display", "foreign_authority"}),
        ("Cong an TP", "+84912345678", {"authority_display"}),
        ("Сông аn", "+84912345678", {"authority_display", "mixed_scripts"}),  # Cyrillic С and а
        ("C0ng an", "+84912345678", {"authority_display"}),
        ("Cô\u200bng an", "+84912345678", {"authority_display", "invisible_characters"}),
        ("𝐂ô𝐧𝐠 𝐚𝐧", "+84912345678", {"authority_display", "mixed_scripts"}),
        ("Viện kiểm sát", None, {"authority_display"}),
        ("+84 69 212 3456", "+84912345678", {"display_shows_other_number"}),
        ("0912.345.678", "+84912345678", set()),
        ("113", "+84912345678", set()),
        ("\u202enà gnôC", "+84912345678", {"writing_direction"}),
        ("Nguyễn Văn An", "+84912345678", set()),
        ("Công ty An Bình", "+84912345678", set()),
        ("Пётр", "+84912345678", set()),
        (None, "+84912345678", set()),
    ],
)
def test_a_display_name_is_flagged(display: str | None, e164: str | None, flags: set[str]) -> None:
    assert set(display_flags(display, e164)) == flags


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_looked_at(text: str) -> None:
    assert isinstance(display_flags(text, "+84912345678"), tuple)
    assert isinstance(text_flags(text), tuple)
    assert skeleton(text) == skeleton(text).casefold()


def test_the_user_part_is_looked_at_too() -> None:
    assert "mixed_scripts" in read_identity("From", "<sip:сonganh@x>").flags
    assert "invisible_characters" in read_identity("From", "<sip:0912%E2%80%8B345678@x>").flags


@pytest.mark.parametrize(
    ("claims", "flags"),
    [
        ({"iat": NOW.timestamp() - 5, "attest": "A"}, {"unverified", "attested_a"}),
        ({"iat": NOW.timestamp() - 61, "attest": "C"}, {"unverified", "attested_c", "iat_stale"}),
        ({"iat": NOW.timestamp() + 90}, {"unverified", "iat_in_the_future"}),
        ({"attest": "Z"}, {"unverified", "iat_missing"}),
        ({"iat": True}, {"unverified", "iat_missing"}),
        ({"iat": 1e300}, {"unverified", "iat_in_the_future"}),
    ],
)
def test_a_passport_is_decoded_and_never_called_verified(
    claims: dict[str, object], flags: set[str]
) -> None:
    value = passport(orig={"tn": "84912345678"}, dest={"tn": ["84987654321"]}, **claims)
    read = read_passport(value, NOW)
    assert (read.origin, set(read.flags)) == ("84912345678", flags)
    assert "orig=84912345678 dest=84987654321" in read.shown


def test_the_message_says_when_its_passport_is_stale() -> None:
    value = passport(orig={"tn": "84912345678"}, iat=NOW.timestamp() - 3600, attest="B")
    message = parse_message(f"INVITE sip:a@h SIP/2.0\r\nIdentity: {value}\r\n\r\n".encode())
    (found,) = read_identities(message, NOW)
    assert (found.e164, found.raw) == ("+84912345678", value)
    assert {"unverified", "iat_stale", "attested_b"} <= set(found.flags)
    assert "iat=2026-11-25T08:00:00Z" in found.decoded
    assert "x5u=https://cert.example/a.pem" in found.decoded


@pytest.mark.parametrize(
    "claims",
    [{"dest": {}}, {"orig": "84912345678"}, {"orig": []}, {"orig": {"tn": []}}, {}],
)
def test_a_passport_without_origin_names_nobody(claims: dict[str, object]) -> None:
    read = read_passport(passport(**claims), NOW)
    assert read.origin is None
    assert "unverified" in read.flags


def test_a_passport_may_name_an_address() -> None:
    value = passport(orig={"uri": ["sip:+84912345678@op.example"]}, iat=NOW.timestamp())
    message = parse_message(f"INVITE sip:a@h SIP/2.0\r\nIdentity: {value}\r\n\r\n".encode())
    assert read_identities(message, NOW)[0].e164 == "+84912345678"


@settings(deadline=None)
@given(st.text(), st.binary())
def test_any_passport_can_be_read(text: str, raw: bytes) -> None:
    coded = base64.urlsafe_b64encode(raw).decode()
    for value in (text, f"a.{coded}.b", f"{coded}.{coded}.{coded}"):
        assert "unverified" in read_passport(value, NOW).flags


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0448656c6c6f;encoding=hex", "Hello"),  # 04: IA5 characters of ISDN
        ("48656c6c6f;encoding=hex;purpose=isdn-uui", "Hello"),
        ("48656c6c6f", "Hello"),
        ("00c2a0ff;encoding=hex", ""),
        ("0a0d;encoding=hex", ""),
        ("abc;encoding=hex", ""),
        ("Hello;encoding=ascii", "Hello"),
        ('"Hello";encoding="ascii"', "Hello"),
        ("", ""),
    ],
)
def test_user_to_user_data_are_decoded_when_they_are_text(value: str, said: str) -> None:
    assert read_user_to_user(value) == said


@settings(deadline=None)
@given(st.text())
def test_any_user_to_user_data_can_be_read(value: str) -> None:
    assert len(read_user_to_user(value)) <= 200


def test_area_codes_are_those_that_have_a_place() -> None:
    """Against libphonenumber's list of places. Hà Nội (24) and Hồ Chí Minh (28) have two digits."""
    for code in (code for code in range(200, 300) if code // 10 not in (24, 28)):
        number = f"+84{code}3812345"
        is_known = "unknown_area_code" not in normalise(number).flags
        assert is_known == bool(geocoder.description_for_number(parse(number), "vi")), code
    for number in ("+842438999999", "+842838999999"):
        assert normalise(number).flags == ()
