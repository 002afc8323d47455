"""Who calls: kept raw, believed by source, and never the person we protect."""

import base64
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.facts.call import Caller, Identity
from ivr.sip.message import parse
from ivr.telephony.identity import choose_caller, printable, read_identities
from ivr.telephony.numbers import significant_digits
from ivr.telephony.protected import Protected

PRECEDENCE = ("P-Asserted-Identity", "Remote-Party-ID", "From")
SUBSCRIBER = "+84987654321"
ASSETS = Path(__file__).parents[2] / "assets" / "sip"


def read(*headers: str) -> tuple[Identity, ...]:
    head = "".join(f"{line}\r\n" for line in headers)
    return read_identities(
        parse(f"INVITE sip:ivr@h SIP/2.0\r\n{head}\r\n".encode("utf-8", "surrogateescape"))
    )


def choose(*headers: str, trusted: bool = True, subscriber: str | None = SUBSCRIBER) -> Caller:
    return choose_caller(read(*headers), Protected.of([subscriber]), PRECEDENCE, trusted)


def passport(number: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"orig": {"tn": number}}).encode()).decode()
    return f"Identity: eyJ.{claims.rstrip('=')}.sig;info=<https://cert.example>;alg=ES256"


def test_every_identity_header_is_kept_raw_in_order() -> None:
    found = read(
        'f: "A" <sip:0901234567@op.example>;tag=1',
        "p-asserted-identity: <sip:+84912345678@ims.example>, <tel:+84912345678>",
        "Remote-Party-ID: <sip:0912345678@op.example>;party=calling;privacy=off",
        "Diversion: <sip:0987654321@op.example>;reason=no-answer",
        "History-Info: <sip:0987654321@ims.example>;index=1",
        passport("84912345678"),
        "Call-Info: <https://op.example/icon.png>;purpose=icon",
        "User-to-User: 0401;encoding=hex",
        "X-Mirror-Call: 7",
        "To: <sip:ivr@h>",
    )
    assert [(item.header, item.e164) for item in found] == [
        ("From", "+84901234567"),
        ("P-Asserted-Identity", "+84912345678"),
        ("P-Asserted-Identity", "+84912345678"),
        ("Remote-Party-ID", "+84912345678"),
        ("Diversion", "+84987654321"),
        ("History-Info", "+84987654321"),
        ("Identity", "+84912345678"),
        ("Call-Info", None),
        ("User-to-User", None),
        ("X-Mirror-Call", None),
    ]
    assert found[0].raw == '"A" <sip:0901234567@op.example>;tag=1'
    assert {item.header: item.confidence for item in found if item.confidence == 0} == {
        "Diversion": 0.0,
        "History-Info": 0.0,
        "Call-Info": 0.0,
        "User-to-User": 0.0,
        "X-Mirror-Call": 0.0,
    }
    assert "unverified" in found[6].flags


def test_the_network_is_believed_before_the_caller() -> None:
    chosen = choose(
        'From: "Công an" <sip:0692123456@x>', "P-Asserted-Identity: <sip:+84912345678@ims>"
    )
    assert (chosen.number, chosen.source_header) == ("+84912345678", "P-Asserted-Identity")
    assert chosen.confidence == 0.9
    assert "headers_disagree" in chosen.flags


def test_network_headers_of_strangers_are_not_believed() -> None:
    chosen = choose(
        "From: <sip:0901234567@x>",
        "P-Asserted-Identity: <sip:+84912345678@ims>",
        "Remote-Party-ID: <sip:+84912345678@ims>",
        trusted=False,
    )
    assert (chosen.number, chosen.source_header) == ("+84901234567", "From")
    assert chosen.confidence < 0.5


def test_a_forwarded_call_that_shows_the_subscriber_names_the_next_header() -> None:
    chosen = choose(
        "P-Asserted-Identity: <sip:+84987654321@ims>",
        "From: <sip:0901234567@x>",
        "Diversion: <sip:0987654321@x>;reason=no-answer",
    )
    assert (chosen.number, chosen.source_header) == ("+84901234567", "From")
    assert "subscriber_number" in chosen.flags


@pytest.mark.parametrize(
    "header",
    [
        "From: <sip:anonymous@anonymous.invalid>",
        'From: "Anonymous" <sip:restricted@op.example>',
        "From: Anonymous",
        "From: <sip:x@anonymous.invalid>",
    ],
)
def test_anonymous_is_nobody(header: str) -> None:
    assert choose(header) == Caller(None, None, None, 0.0, ("anonymous",))


def test_nobody_at_all_is_nobody() -> None:
    assert choose() == Caller(None, None, None, 0.0)


def test_a_text_is_shown_when_there_is_no_number() -> None:
    chosen = choose('From: "Bộ Công an" <sip:boca@x>')
    assert (chosen.number, chosen.display, chosen.confidence) == ("boca", "Bộ Công an", 0.25)


def test_a_number_lower_in_precedence_beats_a_text() -> None:
    chosen = choose("P-Asserted-Identity: <sip:gateway7@ims>", "From: <sip:0901234567@x>")
    assert chosen.number == "+84901234567"


def test_the_called_party_of_remote_party_id_does_not_call() -> None:
    found = read("Remote-Party-ID: <sip:0912345678@x>;party=called")
    assert found[0].confidence == 0.0
    assert "called_party" in found[0].flags


def test_headers_that_name_who_was_called_are_never_chosen_even_when_asked_for() -> None:
    found = read("Diversion: <sip:0911111111@x>", "History-Info: <sip:0911111111@x>;index=1")
    assert (
        choose_caller(found, Protected.of([SUBSCRIBER]), ("Diversion", "History-Info"), True).number
        is None
    )


@pytest.mark.parametrize("name", ["identity-is-no-passport", "identity-payload-is-nested"])
def test_a_passport_that_cannot_be_read_is_kept(name: str) -> None:
    found = read_identities(parse((ASSETS / f"{name}.sip").read_bytes()))
    passports = [item for item in found if item.header == "Identity"]
    assert passports
    assert all(item.e164 is None and "unreadable" in item.flags for item in passports)


def test_every_malformed_fixture_is_read_and_can_be_stored() -> None:
    for fixture in ASSETS.glob("*.sip"):
        found = read_identities(parse(fixture.read_bytes()))
        caller = choose_caller(found, Protected.of([SUBSCRIBER]), PRECEDENCE, True)
        json.dumps([[*item.raw, item.uri_user] for item in found], ensure_ascii=False).encode()
        assert "\x00" not in "".join(item.raw for item in found)
        str(caller).encode()


@settings(deadline=None)
@given(st.binary())
def test_printable_text_can_be_stored_anywhere(raw: bytes) -> None:
    shown = printable(raw.decode("utf-8", "surrogateescape"))
    shown.encode("utf-8")
    assert "\x00" not in shown


SPELLINGS = (
    "+84987654321", "0987654321", "84987654321", "0084987654321", "+840987654321",
    "+084987654321", "987654321", "0987 654 321", "+84-98-765-4321", "(098)7654321",
    "%2B84987654321", "0987654321;ext=1", "x0987654321", "０９８７６５４３２１", "0987.654.321#",
    "0\u200b987654321", "84987654321abc", "+84 (0) 987 654 321",
)  # fmt: skip
OTHERS = ("+84901234567", "0692123456", "anonymous", "", "boca", "+375291234567", "19001234")
SHAPES = (
    "<sip:{}@op.example>", '"{}" <sip:{}@op.example>;tag=1', "sip:{}@op.example", "<tel:{}>",
    "{}", '"{}', '"Nobody" <sip:{}@op.example;user=phone>', "<sip:{}@op.example>, <tel:{}>",
    '"{}" <sip:anonymous@anonymous.invalid>', '"{}" <sip:gateway@op.example>',
)  # fmt: skip
NAMES = (
    "From", "f", "P-Asserted-Identity", "Remote-Party-ID", "P-Preferred-Identity", "Diversion",
    "History-Info", "Call-Info", "X-Caller",
)  # fmt: skip
header_lines = st.builds(
    lambda name, shape, number: f"{name}: {shape.replace('{}', number)}",
    st.sampled_from(NAMES),
    st.sampled_from(SHAPES),
    st.sampled_from(SPELLINGS + OTHERS),
)


def assert_never_the_subscriber(chosen: Caller, own: str) -> None:
    for shown in (chosen.number, chosen.display):
        assert own not in significant_digits(shown or "")


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(header_lines, max_size=6),
    st.sampled_from(SPELLINGS[:9]),
    st.permutations([*PRECEDENCE, "P-Preferred-Identity", "Identity", "Diversion", "History-Info"]),
    st.booleans(),
)
def test_the_subscriber_is_never_the_caller(
    lines: list[str], subscriber: str, precedence: list[str], is_trusted: bool
) -> None:
    lines.append(passport("84987654321"))
    chosen = choose_caller(read(*lines), Protected.of([subscriber]), precedence, is_trusted)
    assert_never_the_subscriber(chosen, "987654321")


def test_the_subscriber_is_never_the_caller_in_any_single_header() -> None:
    for name, shape, number in itertools.product(NAMES, SHAPES, SPELLINGS):
        line = f"{name}: {shape.replace('{}', number)}"
        for trusted in (True, False):
            assert_never_the_subscriber(choose(line, trusted=trusted), "987654321")


@pytest.mark.parametrize(
    "shown", ["01621234567", "+841621234567", "x01621234567", "84 162 123 4567"]
)
def test_the_subscriber_is_known_by_the_number_before_2018_too(shown: str) -> None:
    chosen = choose(f'From: "{shown}" <sip:{shown}@x>', subscriber="0321234567")
    assert (chosen.number, chosen.display) == (None, None)


def test_without_a_subscriber_everybody_may_call() -> None:
    assert choose("From: <sip:0987654321@x>", subscriber=None).number == SUBSCRIBER
