"""Who is who in a mirrored call, and whom a report may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.call import LegName
from ivr.journeys.parties import Cast, read_parties
from ivr.sip.message import parse
from ivr.siprec.facts import OfferedStream
from ivr.siprec.metadata import Metadata, read_metadata
from ivr.telephony.protected import Protected
from tests.fakes.recording_client import CALLER, SUBSCRIBER, metadata

PROTECTED = Protected.of([SUBSCRIBER, "+84900000002"])
PRECEDENCE = ("P-Asserted-Identity", "Remote-Party-ID", "From")
SBC = "From: <sip:src@sbc.example>;tag=1"
CALLING, CALLED, CH1, CH2 = (
    LegName.CALLER, LegName.CALLEE, LegName.CHANNEL_1, LegName.CHANNEL_2,
)  # fmt: skip


def streams(*labels: str | None, session: int = 1) -> tuple[OfferedStream, ...]:
    return tuple(
        OfferedStream(f"{session}:{label}", session, n, label, None, True, False)
        for n, label in enumerate(labels)
    )


def cast_of(
    xml: str = "",
    headers: str = SBC,
    labels: tuple[str | None, ...] = ("1", "2"),
    order: str = "unknown",
    hint: str = "",
    is_pair: bool = False,
):
    known = read_metadata(xml.encode()) if xml else Metadata()
    invite = parse(f"INVITE sip:srs@x SIP/2.0\r\n{headers}\r\n\r\n".encode())
    parties = read_parties(invite, known, PROTECTED, PRECEDENCE)
    cast = Cast(parties, order, 6, is_pair=is_pair)
    places = cast.assign(streams(*labels), known, hint)
    return parties, [places.get(f"1:{label}") for label in labels], cast


@pytest.mark.parametrize("numbers", [(CALLER, SUBSCRIBER), (SUBSCRIBER, CALLER)])
def test_of_two_of_whom_one_is_protected_the_other_is_judged(numbers):
    parties, legs, _ = cast_of(metadata(numbers=numbers))
    assert legs == [CALLING, CALLED] if numbers[0] == CALLER else legs == [CALLED, CALLING]
    assert (parties.caller.number, parties.subscriber) == (CALLER, SUBSCRIBER)
    assert parties.caller.source_header == "rs-metadata"


def test_whoever_dialled_the_other_one_is_judged():
    parties, legs, _ = cast_of(metadata(), f"From: <sip:{SUBSCRIBER}@op>;tag=1")
    assert legs == [CALLING, CALLED]
    assert parties.is_outgoing
    assert parties.caller.number == CALLER


def test_with_nobody_protected_the_header_says_who_calls():
    numbers = ("+84911111111", "+84922222222")
    parties, legs, _ = cast_of(metadata(numbers=numbers), f"From: <sip:{numbers[1]}@op>;tag=1")
    assert legs == [CALLED, CALLING]
    assert (parties.caller.number, parties.subscriber) == (numbers[1], None)


def test_with_nobody_known_both_channels_are_judged_and_the_border_controller_is_no_caller():
    parties, legs, cast = cast_of(metadata(numbers=("+84911111111", "+84922222222")))
    assert legs == [CH1, CH2]
    assert cast.legs == (CH1, CH2)
    assert parties.caller.number is None


def test_two_protected_people_accuse_nobody():
    parties, legs, _ = cast_of(metadata(numbers=(SUBSCRIBER, "+84900000002")))
    assert legs == [CH1, CH2]
    assert parties.caller.number is None


def test_a_third_party_does_not_take_the_place_of_a_known_one():
    numbers = ("+84911111111", CALLER, SUBSCRIBER)
    from_caller = f"From: <sip:{CALLER}@op>;tag=1"
    _, legs, _ = cast_of(metadata(("1", "2", "3"), numbers), from_caller, ("1", "2", "3"))
    assert legs == [LegName.PARTY_3, CALLING, CALLED]


def test_one_stream_that_both_send_is_mixed_and_so_is_one_that_nobody_names():
    xml = metadata(("1",), (CALLER, SUBSCRIBER)).replace(
        "</recording>",
        "<participantstreamassoc participant_id='p2'><send>s1</send></participantstreamassoc>"
        "</recording>",
    )
    assert cast_of(xml, labels=("1",))[1] == [LegName.MIXED]
    assert cast_of(labels=(None,))[1] == [LegName.MIXED]


@pytest.mark.parametrize(
    ("word", "sender", "leg"),
    [
        ("caller", CALLER, CALLING),
        ("a", CALLER, CALLING),
        ("Callee", CALLER, CALLED),
        ("b", CALLER, CALLED),
        ("caller", SUBSCRIBER, CALLED),  # the protected one dialled
        ("callee", SUBSCRIBER, CALLING),
    ],
)
def test_the_word_of_a_plain_fork(word, sender, leg):
    other = SUBSCRIBER if sender == CALLER else CALLER
    headers = f"From: <sip:{sender}@op>;tag=1\r\nTo: <sip:{other}@op>"
    parties, legs, cast = cast_of(headers=headers, labels=(None,), hint=word, is_pair=True)
    assert legs == [leg]
    assert cast.legs == (CALLING, CALLED)
    assert parties.subscriber == SUBSCRIBER


def test_labels_may_say_it_too_and_settings_where_nobody_does():
    assert cast_of(labels=("callee", "caller"))[1] == [CALLED, CALLING]
    assert cast_of(order="caller first")[1] == [CALLING, CALLED]
    assert cast_of(order="callee first")[1] == [CALLED, CALLING]
    headers = f"From: <sip:{SUBSCRIBER}@op>;tag=1"
    assert cast_of(headers=headers, order="caller first")[1] == [CALLED, CALLING]


def test_a_stream_keeps_its_leg_and_a_seventh_finds_none():
    known = read_metadata(metadata().encode())
    _, legs, cast = cast_of(metadata())
    again = cast.assign(streams("2", "1", "3", "4", "5", "6", "7"), known, "")
    assert [again["1:1"], again["1:2"]] == legs
    assert [again.get(f"1:{n}") for n in (3, 4, 5, 6, 7)] == [
        LegName.PARTY_3, LegName.PARTY_4, LegName.PARTY_5, LegName.PARTY_6, None,
    ]  # fmt: skip


def test_two_legs_of_the_same_word_are_told_apart_and_doubted():
    headers = f"From: <sip:{CALLER}@op>;tag=1"
    _, _, cast = cast_of(headers=headers, labels=(None,), hint="caller", is_pair=True)
    places = cast.assign(streams(None, session=2), Metadata(), "caller")
    assert places == {"2:None": CALLED}
    assert cast.doubts() == ("two streams are said to be the caller's",)
    assert cast.doubts() == ()


def test_a_call_that_begins_on_hold_has_legs_to_come():
    assert cast_of(labels=())[2].legs == (CH1, CH2)


SPELLINGS = st.sampled_from(
    [SUBSCRIBER, "0900000001", "84900000001", "+840900000001", "+84 900 000 001", "00 84900000001"]
)
OTHERS = st.sampled_from([CALLER, "+84911111111", "boca", "anonymous", ""])
HEADERS = st.sampled_from(
    ["From", "P-Asserted-Identity", "Remote-Party-ID", "To", "Diversion", "History-Info"]
)


@given(
    st.lists(st.tuples(HEADERS, st.one_of(SPELLINGS, OTHERS)), max_size=6),
    st.lists(st.one_of(SPELLINGS, OTHERS), max_size=4),
    st.booleans(),
)
def test_the_protected_are_never_reported(headers, people, is_known):
    text = "\r\n".join(f'{name}: "{user}" <sip:{user}@op>;tag=1' for name, user in headers)
    labels = [str(n + 1) for n in range(len(people))] if is_known else []
    xml = metadata(labels, people) if people else ""
    parties, _, _ = cast_of(xml, text or SBC)
    assert not PROTECTED.shows(parties.caller.number, parties.caller.display)
    if parties.subscriber is not None:
        assert PROTECTED.shows(parties.subscriber)
