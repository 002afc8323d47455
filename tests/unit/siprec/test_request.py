"""Requests read, answers written: an independent SIP parser must understand what we say."""

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from ivr.sip.message import parse
from ivr.siprec.request import (
    BadRequest,
    Request,
    printable,
    read_request,
    read_via,
    refusal_text,
    response_text,
    tag_of,
)
from ivr.siprec.session_timer import MIN_SE_S, TooBrief, agree

SOURCE = ("192.0.2.7", 5066)
LINES = {
    "Via": "SIP/2.0/UDP 192.0.2.7:5066;branch=z9hG4bK1;rport",
    "From": "<sip:src@sbc.example>;tag=f1",
    "To": "<sip:srs@ivr.example>",
    "Call-ID": "c1@sbc",
    "CSeq": "1 INVITE",
    "Content-Length": "0",
}


def raw(start: str = "INVITE sip:srs@ivr.example SIP/2.0", **changes: str | None) -> bytes:
    lines = {**LINES, **{name.replace("_", "-"): value for name, value in changes.items()}}
    headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"{start}\r\n{headers}\r\n".encode("utf-8", "surrogateescape")


def read(*args: str, **changes: str | None) -> Request:
    data = raw(*args, **changes)
    return read_request(parse(data), data)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"start": "INVITE"}, 400),
        ({"start": "INVITE sip:a@b SIP/7.0"}, 505),
        ({"start": "INVITE sip:a@b; lr SIP/2.0"}, 400),
        ({"start": "INVITE nobody:a SIP/2.0"}, 416),
        ({"start": "INV,TE sip:a@b SIP/2.0"}, 400),
        ({"Via": None}, 400),
        ({"Via": "SIP/3.0/UDP x"}, 400),
        ({"CSeq": "1 BYE"}, 400),
        ({"CSeq": "one INVITE"}, 400),
        ({"CSeq": "99999999999 INVITE"}, 400),
        ({"CSeq": "4294967296 INVITE"}, 400),
        ({"From": None}, 400),
        ({"To": None}, 400),
        ({"Call-ID": ""}, 400),
        ({"Content-Length": "-5"}, 400),
    ],
)
def test_what_cannot_be_worked_on_is_refused(changes, status):
    data = raw(**changes)
    with pytest.raises(BadRequest) as refused:
        read_request(parse(data), data)
    assert refused.value.status == status


def test_tags_inside_the_uri_are_none():
    assert tag_of("<sip:a@b;tag=inside>;tag=outside") == "outside"
    assert tag_of("<sip:a@b;tag=inside>") == ""
    assert tag_of("sip:a@b ; TAG = x ;y") == "x"


@pytest.mark.parametrize(
    ("via", "host", "port"),
    [
        ("SIP/2.0/UDP 192.0.2.7", "192.0.2.7", 5060),
        ("SIP/2.0/UDP sbc.example:5080", "sbc.example", 5080),
        ("SIP / 2.0 / TCP [2001:db8::1]:5061 ; branch=x", "[2001:db8::1]", 5061),
        ("SIP/2.0/UDP [2001:db8::1]", "[2001:db8::1]", 5060),
    ],
)
def test_where_an_answer_goes(via, host, port):
    found = read_via(via)
    assert (found.host, found.port) == (host, port)


def test_an_answer_shows_where_the_request_came_from():
    via = read_via("SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1").answered(SOURCE)
    assert via == "SIP/2.0/UDP 10.0.0.1;rport=5066;branch=z9hG4bK1;received=192.0.2.7"
    plain = read_via("SIP/2.0/UDP 192.0.2.7:5066;branch=z9hG4bK1")
    assert plain.answered(SOURCE) == plain.text


def test_an_answer_is_read_by_another_parser_as_we_meant_it():
    request = read(Via=f"{LINES['Via']}, SIP/2.0/TCP 192.0.2.8;branch=z9hG4bK2")
    headers = [("Contact", "<sip:srs@192.0.2.1:5080;transport=udp>;+sip.srs")]
    data = response_text(
        request, SOURCE, 200, "OK", to_tag="ours", headers=headers, body=b"v=0\r\n"
    )
    told = sipmessage.Message.parse(data)
    assert isinstance(told, sipmessage.Response)
    assert (told.code, told.body, told.content_length) == (200, b"v=0\r\n", 5)
    assert [via.parameters["branch"] for via in told.via] == ["z9hG4bK1", "z9hG4bK2"]
    assert told.via[0].parameters["rport"] == "5066"
    assert told.to_address.parameters["tag"] == "ours"
    assert told.from_address.parameters["tag"] == "f1"
    assert (told.cseq.sequence, told.cseq.method, told.call_id) == (1, "INVITE", "c1@sbc")
    assert "+sip.srs" in told.contact[0].parameters


def test_a_refusal_of_what_cannot_be_read_still_says_whom_it_answers():
    data = raw(CSeq="x", From=None)
    text, port = refusal_text(parse(data), SOURCE, 400, "Bad CSeq")
    assert text.startswith(b"SIP/2.0 400 Bad CSeq\r\nVia: SIP/2.0/UDP 192.0.2.7:5066;")
    assert port == 5066
    assert refusal_text(parse(raw(Via="x")), SOURCE, 400, "Bad") is None


def test_retransmissions_share_a_transaction_and_an_ack_its_invites():
    first = read()
    assert read(Max_Forwards="69").transaction == first.transaction
    ack = read("ACK sip:srs@ivr.example SIP/2.0", CSeq="1 ACK")
    assert ack.transaction == first.transaction
    other = read(Via="SIP/2.0/UDP 192.0.2.7:5066;branch=z9hG4bK9")
    assert other.transaction != first.transaction
    old = "SIP/2.0/UDP 192.0.2.7:5066;branch=1"  # RFC 2543: no magic cookie
    assert read(Via=old).transaction != read(Via=old, CSeq="2 INVITE").transaction


def timer(**changes: str) -> object:
    return agree(read(**changes))


def test_session_timers():
    assert timer() is None
    assert timer(Supported="timer") is None, "nobody asked for one"
    asked = timer(Supported="timer", Session_Expires="1800")
    assert (asked.interval_s, asked.is_ours) == (1800, False)
    assert ("Require", "timer") in asked.headers
    ours = timer(Supported="timer", Session_Expires="600 ; refresher=uas")
    assert (ours.interval_s, ours.is_ours) == (600, True)
    assert ours.refresh_after_s == 300
    with pytest.raises(TooBrief):
        timer(Supported="timer", Session_Expires="60")
    by_a_proxy = timer(Session_Expires="60")
    assert (by_a_proxy.interval_s, by_a_proxy.is_ours) == (MIN_SE_S, True)
    assert asked.over_after_s == 1800 - 32
    assert timer(Supported="timer", Session_Expires="999999999").interval_s == 86_400
    assert timer(Supported="timer", Session_Expires="soon") is None


@given(st.binary(max_size=300))
def test_nothing_but_a_bad_request_is_raised(data):
    for text in (data, raw() + data, raw(Via=data.decode("latin-1"))):
        message = parse(text)
        try:
            read_request(message, text)
        except BadRequest as refused:
            refusal_text(message, SOURCE, refused.status, refused.reason)


@given(st.text())
def test_printable_text_can_be_stored_anywhere(text):
    shown = printable(text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    shown.encode("utf-8")
