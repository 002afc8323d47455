"""The person we protect, and our own lines, are never the party that a report names: in any
spelling, header, trunk and precedence, of answered, bridged and mirrored calls."""

import itertools
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.facts.call import Caller
from ivr.journeys.parties import read_parties
from ivr.settings import Settings
from ivr.sip.message import parse
from ivr.siprec.metadata import Metadata, Participant
from ivr.telephony.numbers import significant_digits
from ivr.telephony.offer import SipOffer, read_offer
from ivr.telephony.protected import Protected
from ivr.telephony.trunks import Trunks

OWN = "987654321"
MOVED = "321234567"  # 0162 1234567 before 2018
ACCESS = "2499990000"
SITE = "1900123456"
FORBIDDEN = (OWN, MOVED, "1621234567", ACCESS, SITE, "905555555")
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

PRECEDENCES = (
    ("P-Asserted-Identity", "Remote-Party-ID", "From"),
    ("From", "P-Asserted-Identity"),
    ("Identity", "P-Preferred-Identity", "Remote-Party-ID", "From"),
)
HOUSE = Settings(
    subscribers=[
        {"access": "02499990000", "number": "+84987654321"},
        {"access": "cau", "number": "0321234567", "mode": "bridge", "contact": "sip:b@127.0.0.9"},
    ],
    registrations=[{"registrar": "sip:192.0.2.9", "username": "02499990001"}],
    sip={"own_numbers": ("1900123456",), "front_from": ("192.0.2.200/32",)},
    mirror={"protected_numbers": ("+84905*",)},
    trunks=[
        {
            "name": f"t{number}-{carries}",
            "networks": [f"10.{number}.0.0/16"],
            "carries": carries,
            "trusts_headers": trusts,
            "identity_precedence": precedence,
        }
        for number, (precedence, carries, trusts) in enumerate(
            itertools.product(PRECEDENCES, ("domestic", "international", "state"), (True, False))
        )
    ],
)
TRUNKS = Trunks(HOUSE.trunks, HOUSE.sip)
PROTECTED = Protected.of(HOUSE.never_reported)
SOURCES = ("127.0.0.1", "198.51.100.7", "192.0.2.200", *(f"10.{n}.0.1" for n in range(18)))

SPELLINGS = (
    "+84987654321", "0987654321", "84987654321", "0084987654321", "+840987654321", "987654321",
    "+084987654321", "0987 654 321", "+84-98-765-4321", "(098)7654321", "%2B84987654321", "+84",
    "x0987654321", "０９８７６５４３２１", "٠٩٨٧٦٥٤٣٢١", "①987654321", "0987.654.321#",
    "0\u200b987654321", "84987654321abc", "+84 (0) 987 654 321", "O987654321", "O98765432l",
    "\u202e123456789O", "09\u00ad87654321", "0321234567", "01621234567", "+841621234567",
    "84 162 123 4567", "02499990000", "+842499990000", "024 9999 0000", "cau", "CAU", "cầu",
    "1900123456", "1900 123 456", "0905555555", "+84905555555", "0 9 0 5 5 5 5 5 5 5",
)  # fmt: skip
OTHERS = ("+84901234567", "0692123456", "anonymous", "", "boca", "+375291234567", "19001234")
SHAPES = (
    "<sip:{}@op.example>", '"{}" <sip:{}@op.example>;tag=1', "sip:{}@op.example", "<tel:{}>",
    "{}", '"{}', '"{}" <sip:gateway@op.example>', '"Công an" <sip:{}@op.example;user=phone>',
    '"{}" <sip:anonymous@anonymous.invalid>', "<sip:{}@op.example>, <tel:{}>",
)  # fmt: skip
NAMES = (
    "From", "f", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Diversion",
    "History-Info", "Call-Info", "Identity", "User-to-User", "X-Caller", "rs-metadata",
)  # fmt: skip


def offered(lines: list[str], source: str) -> SipOffer:
    head = "".join(f"{line}\r\n" for line in lines)
    raw = f"INVITE sip:02499990000@h SIP/2.0\r\n{head}\r\n".encode("utf-8", "surrogateescape")
    return read_offer(raw, (source, 5060), "udp", NOW)


def assert_nobody_protected(caller: Caller) -> None:
    for shown in (caller.number, caller.display):
        digits = significant_digits(shown or "")
        assert not any(own in digits or own[::-1] in digits for own in FORBIDDEN), caller
    assert (caller.number or "").casefold() not in {"cau", "02499990001"}


def test_no_single_header_names_the_subscriber_whoever_sends_it() -> None:
    seen = 0
    for name, shape, number in itertools.product(NAMES, SHAPES, SPELLINGS):
        line = f"{name}: {shape.replace('{}', number)}"
        for source in SOURCES[seen % 7 :: 7]:
            assert_nobody_protected(TRUNKS.caller(offered([line], source), PROTECTED))
            seen += 1
    assert seen > 10_000


def test_no_pair_of_headers_names_the_subscriber() -> None:
    """The protected number in one header, somebody else's in another, over every trunk."""
    seen = 0
    for first, second, number in itertools.product(NAMES[:6], NAMES[:6], SPELLINGS):
        lines = [f"{first}: <sip:{number}@x>", f'{second}: "{number}" <sip:{OTHERS[seen % 7]}@x>']
        source = SOURCES[seen % len(SOURCES)]
        assert_nobody_protected(TRUNKS.caller(offered(lines, source), PROTECTED))
        seen += 1
    assert seen > 500


headers = st.builds(
    lambda name, shape, number: f"{name}: {shape.replace('{}', number)}",
    st.sampled_from(NAMES),
    st.sampled_from(SHAPES),
    st.sampled_from(SPELLINGS + OTHERS),
)
noise = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)


@st.composite
def spelt(draw: st.DrawFn) -> str:
    """The subscriber's number with anything but digits strewn in."""
    junk = st.text(st.sampled_from(" .-()/_\u200b\u200f\u00a0abxyz"), max_size=2)
    digits = draw(st.sampled_from(["0", "84", "+84", "0084", "+840", ""])) + OWN
    scripts = draw(st.sampled_from([0x30, 0xFF10, 0x660, 0x966, 0x1D7CE]))
    text = "".join(
        draw(junk) + (chr(scripts + int(char)) if char.isdigit() else char) for char in digits
    )
    return draw(noise.filter(lambda text: not significant_digits(text))) + text


@settings(max_examples=400, deadline=None)
@given(st.lists(headers, max_size=6), st.lists(spelt(), max_size=2), st.sampled_from(SOURCES))
def test_no_mixture_names_the_subscriber(
    lines: list[str], spellings: list[str], source: str
) -> None:
    lines += [
        f'{name}: "{text}" <sip:{text}@x>' for name, text in zip(NAMES, spellings, strict=False)
    ]
    lines.append(f"X-Ivr-Source: {SOURCES[len(lines) % len(SOURCES)]};port=5060;transport=tls")
    assert_nobody_protected(TRUNKS.caller(offered(lines, source), PROTECTED))


parties = st.lists(
    st.tuples(
        st.sampled_from(["", "Nguyễn", *SPELLINGS]),
        st.lists(
            st.builds(
                lambda form, number: form.format(number),
                st.sampled_from(["sip:{}@ims.example", "tel:{}", "{}", "<sip:{}@x>"]),
                st.sampled_from(SPELLINGS + OTHERS),
            ),
            max_size=2,
        ),
    ),
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(parties, st.lists(headers, max_size=3))
def test_no_mirrored_call_names_the_subscriber(
    named: list[tuple[str, list[str]]], lines: list[str]
) -> None:
    assert_nobody_protected(mirrored(named, lines))


def mirrored(named: list[tuple[str, list[str]]], lines: list[str]) -> Caller:
    people = {
        str(number): Participant(str(number), tuple(addresses), name)
        for number, (name, addresses) in enumerate(named)
    }
    head = "".join(f"{line}\r\n" for line in lines)
    invite = parse(f"INVITE sip:srs@h SIP/2.0\r\n{head}\r\n".encode("utf-8", "surrogateescape"))
    return read_parties(invite, Metadata(participants=people), PROTECTED, PRECEDENCES[0]).caller


def test_the_party_that_is_not_protected_is_named_in_a_mirrored_call() -> None:
    caller = ("Công an", ["sip:+84912345678@ims.example"])
    subscriber = ("", ["tel:+84987654321"])
    for order in ([caller, subscriber], [subscriber, caller]):
        chosen = mirrored(order, ["From: <sip:sbc@h>"])
        assert (chosen.number, chosen.confidence) == ("+84912345678", 0.9)
        assert "authority_display" in chosen.flags


def test_others_are_named_all_the_same() -> None:
    """The guard does not answer by naming nobody at all."""
    for number in ("+84901234567", "+842438999999", "+375291234567", "+84912345678"):
        caller = TRUNKS.caller(offered([f"From: <sip:{number}@x>"], "127.0.0.1"), PROTECTED)
        assert caller.number == number


def test_a_person_may_be_called_like_an_access_number() -> None:
    caller = TRUNKS.caller(offered(['From: "Cau" <sip:+84901234567@x>'], "127.0.0.1"), PROTECTED)
    assert (caller.number, caller.display) == ("+84901234567", "Cau")
