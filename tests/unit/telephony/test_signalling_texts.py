"""SDP led to the door, channel framing, networks, the socket filter, and who ended a call."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.call import Blame
from ivr.sip.message import parse
from ivr.telephony import call_end, sdp, source_filter
from ivr.telephony.admission import Progress, Refusal, overdue, refusal
from ivr.telephony.channel import BrokenChannel, Decoder, encode
from ivr.telephony.networks import is_from

OURS = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=pjmedia\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 31\r\n"
    "m=audio 47744 RTP/AVP 8 101\r\nc=IN IP4 127.0.0.1\r\n"
    "a=rtcp:47745 IN IP4 127.0.0.1\r\na=rtcp-mux\r\na=sendrecv\r\na=rtpmap:8 PCMA/8000\r\n"
)


def test_the_audio_of_our_description_is_led_to_the_door() -> None:
    led = sdp.redirect_audio(OURS, "203.0.113.7", 30000)
    assert led == (
        "v=0\r\no=- 1 1 IN IP4 203.0.113.7\r\ns=pjmedia\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 31\r\n"
        "m=audio 30000 RTP/AVP 8 101\r\nc=IN IP4 203.0.113.7\r\n"
        "a=sendrecv\r\na=rtpmap:8 PCMA/8000\r\n"
    )
    assert sdp.audio_port(led) == 30000
    assert sdp.count_media(led) == 2


def test_a_description_without_open_audio_leads_nowhere() -> None:
    assert sdp.redirect_audio(OURS.replace("47744", "0"), "203.0.113.7", 30000) is None
    assert sdp.audio_port("v=0\r\n") is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:5060", ("127.0.0.1", 5060)),
        ("[::1]:5060", ("::1", 5060)),
        ("127.0.0.1", ("127.0.0.1", 0)),
        ("", ("", 0)),
    ],
)
def test_addresses_come_apart(text: str, parts: tuple[str, int]) -> None:
    assert sdp.split_host_port(text) == parts


@given(st.lists(st.dictionaries(st.text(), st.text())), st.integers(1, 7))
def test_messages_survive_the_channel_in_any_pieces(
    messages: list[dict[str, str]], size: int
) -> None:
    stream = b"".join(encode(message) for message in messages)
    decoder = Decoder()
    read = []
    for start in range(0, len(stream), size):
        read += decoder.feed(stream[start : start + size])
    assert read == messages


def test_bytes_that_are_no_utf8_survive_the_channel() -> None:
    text = b"\xff\xfe".decode("utf-8", "surrogateescape")
    assert Decoder().feed(encode({"raw": text})) == [{"raw": text}]


@pytest.mark.parametrize(
    "stream",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02no", b"\x00\x00\x00\x02[]"],
    ids=["too long", "no JSON", "no object"],
)
def test_a_broken_channel_is_noticed(stream: bytes) -> None:
    with pytest.raises(BrokenChannel):
        Decoder().feed(stream)


def test_addresses_belong_to_networks() -> None:
    networks = ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")
    assert is_from("10.9.9.9", networks)
    assert is_from("[2001:db8::5]", networks)
    assert not is_from("192.0.2.8", networks)
    assert not is_from("example.org", networks)
    assert not is_from("", networks)


def test_the_socket_filter_compares_word_by_word_and_refuses_too_many_networks() -> None:
    networks = ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]
    assert len(source_filter.program(networks)) == 8 * (4 + 4 + 1)
    assert len(source_filter.program(networks, 6)) == 8 * (4 * 3 + 1 + 1)
    with pytest.raises(ValueError, match="1024 networks"):
        source_filter.program([f"10.{n // 250}.{n % 250}.0/24" for n in range(1024)])


@pytest.mark.parametrize(
    ("reason", "blame"),
    [
        (None, Blame.CALLER),
        ('Q.850;cause=16;text="Normal call clearing"', Blame.CALLER),
        ('SIP;cause=200;text="Call completed elsewhere"', Blame.CALLER),
        ('Q.850 ;text="Temporary failure"; cause = 41', Blame.UPSTREAM),
        ("q.850;cause=38", Blame.UPSTREAM),
        ("garbage;;;cause=", Blame.CALLER),
    ],
)
def test_a_bye_is_the_callers_unless_the_network_confesses(
    reason: str | None, blame: Blame
) -> None:
    assert call_end.from_bye(reason).blame is blame


@pytest.mark.parametrize(
    ("status", "is_answered", "is_confirmed", "blame"),
    [
        (487, False, False, Blame.CALLER),
        (408, True, False, Blame.UPSTREAM),
        (408, True, True, Blame.UPSTREAM),
        (488, False, False, Blame.UPSTREAM),
        (500, True, True, Blame.UNKNOWN),
    ],
)
def test_without_a_bye_the_status_tells(
    status: int, is_answered: bool, is_confirmed: bool, blame: Blame
) -> None:
    end = call_end.from_status(status, "phrase", is_answered, is_confirmed)
    assert end.blame is blame
    assert json.dumps(end.reason)


NOW = 1_000_000_000_000


@pytest.mark.parametrize(
    ("progress", "reason", "is_upstream"),
    [
        (Progress(NOW - int(179e9), 0, 0, False), None, None),
        (Progress(NOW - int(181e9), 0, 0, False), "nobody answered", False),
        (Progress(1, NOW - int(7.9e9), 0, True), None, None),
        (Progress(1, NOW - int(8.1e9), 0, True), "no ACK for our answer", True),
        (Progress(1, 1, NOW - int(0.4e9), False), None, None),
        (
            Progress(1, 1, NOW - int(0.6e9), False),
            "no media was agreed: our offer got no answer",
            True,
        ),
        (Progress(1, 1, 1, True), None, None),
    ],
)
def test_a_call_waits_so_long_and_no_longer(
    progress: Progress, reason: str | None, is_upstream: bool | None
) -> None:
    late = overdue(progress, NOW, ack_timeout_s=8.0)
    assert (late.reason if late else None) == reason
    assert (late.is_upstream if late else None) == is_upstream


@pytest.mark.parametrize(
    ("raw", "host", "is_unreadable", "status"),
    [
        (b"INVITE sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nok", "10.1.1.1", False, None),
        (b"INVITE sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nok", "10.1.1.1", False, 513),
        (b"INVITE sip:a SIP/2.0\r\nX: " + b"x" * 4000, "10.1.1.1", False, 513),
        (b"INVITE sip:a SIP/2.0\r\n\r\n", "10.1.1.1", True, 488),
        (b"INVITE sip:a SIP/2.0\r\n\r\n", "192.0.2.1", True, 403),
    ],
    ids=["whole", "body cut", "too long", "description too long", "stranger"],
)
def test_an_invite_is_refused_at_the_door(
    raw: bytes, host: str, is_unreadable: bool, status: int | None
) -> None:
    answer = refusal(parse(raw), len(raw), host, ("10.0.0.0/8",), is_unreadable)
    assert (answer.status if isinstance(answer, Refusal) else None) == status
