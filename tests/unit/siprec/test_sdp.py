"""Offers as they come, answers as RFC 3264 wants them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.siprec.offers import our_offer, streams_of, with_answer
from ivr.siprec.sdp import AnsweredLine, MediaLine, read_sdp, write_sdp


def knows(name: str, rate_hz: int) -> bool:
    return (name.upper(), rate_hz) in {("PCMA", 8000), ("PCMU", 8000), ("ILBC", 8000)}


def line(text: str, session: str = "c=IN IP4 192.0.2.1\n") -> MediaLine:
    (found,) = read_sdp(f"v=0\n{session}{text}")
    return found


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("m=audio 4000 RTP/AVP 8 0", {8: ("PCMA", 8000), 0: ("PCMU", 8000)}),
        ("m=audio 4000 RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000",
         {0: ("PCMU", 8000), 8: ("PCMA", 8000), 101: ("telephone-event", 8000)}),
        ("m=audio 4000 RTP/AVP 97\na=rtpmap:97 iLBC/8000", {97: ("iLBC", 8000)}),
        ("m=audio 4000/2 RTP/AVPF 8", {8: ("PCMA", 8000)}),
        ("m=audio 4000 RTP/AVP 18 8", {8: ("PCMA", 8000)}),
        ("m=audio 4000 RTP/AVP 8\na=rtpmap:8 G729/8000", {}),  # the map is what counts
        ("m=audio 4000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000", {}),
        ("m=audio 0 RTP/AVP 8", {}),
        ("m=video 4000 RTP/AVP 8", {}),
        ("m=audio 4000 RTP/SAVP 8", {}),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 8", {}),
        ("m=audio 99999 RTP/AVP 8", {}),
        ("m=garbage", {}),
    ],
)  # fmt: skip
def test_what_is_taken_of_a_line(text, kept):
    taken = line(text).taken(knows)
    assert taken == kept
    assert list(taken) == list(kept)


@pytest.mark.parametrize(
    ("text", "is_held"),
    [
        ("m=audio 4000 RTP/AVP 8\na=sendonly", False),
        ("m=audio 4000 RTP/AVP 8\na=sendrecv", False),
        ("m=audio 4000 RTP/AVP 8", False),
        ("m=audio 4000 RTP/AVP 8\na=inactive", True),
        ("m=audio 4000 RTP/AVP 8\na=recvonly", True),
        ("m=audio 4000 RTP/AVP 8\nc=IN IP4 0.0.0.0", True),
    ],
)
def test_hold_in_every_form(text, is_held):
    assert line(text).is_on_hold is is_held


def test_a_direction_of_the_session_counts_for_lines_without_one():
    first, second = read_sdp(
        "v=0\na=inactive\nm=audio 4 RTP/AVP 8\nm=audio 6 RTP/AVP 8\na=sendonly"
    )
    assert [first.is_on_hold, second.is_on_hold] == [True, False]


def test_the_address_of_a_line_wins_over_the_sessions_and_a_name_gives_way_to_the_signalling():
    offer = read_sdp(
        "v=0\nc=IN IP4 192.0.2.1\nm=audio 4 RTP/AVP 8\nm=audio 6 RTP/AVP 8\nc=IN IP4 192.0.2.2\n"
        "m=audio 8 RTP/AVP 8\nc=IN IP4 sbc.example\n"
    )
    remotes = [stream.media.remote for stream in streams_of(offer, 1, knows, "192.0.2.9")]
    assert remotes == [("192.0.2.1", 4), ("192.0.2.2", 6), ("192.0.2.9", 8)]


def test_streams_are_named_by_label_and_by_place_where_a_label_names_nothing():
    labels = ("a", "1", "1", None)
    offer = read_sdp(
        "v=0\nc=IN IP4 192.0.2.1\n"
        + "".join(
            f"m=audio {4000 + 2 * n} RTP/AVP 8\n" + (f"a=label:{label}\n" if label else "")
            for n, label in enumerate(labels)
        )
    )
    keys = [stream.key for stream in streams_of(offer, 7, knows, "192.0.2.9")]
    assert keys == ["7:a", "7#1", "7#2", "7#3"]


def test_an_answer_has_a_line_for_each_of_the_offer():
    offer = read_sdp(
        "v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 4 RTP/AVP 96\r\nm=audio 6 RTP/AVP 97\r\n"
        "a=rtpmap:97 iLBC/8000\r\na=fmtp:97 mode=20\r\na=label:01\r\na=inactive\r\nm=nonsense\r\n"
    )
    answers = [
        AnsweredLine(offer[0], 0, {}),
        AnsweredLine(offer[1], 5000, offer[1].taken(knows)),
        AnsweredLine(offer[2], 0, {}),
    ]
    text = write_sdp("2001:db8::1", 5, 1, answers)
    assert text.split("\r\n")[3:] == [
        "c=IN IP6 2001:db8::1",
        "t=0 0",
        "m=video 0 RTP/AVP 96",
        "m=audio 5000 RTP/AVP 97",
        "a=rtpmap:97 iLBC/8000",
        "a=fmtp:97 mode=20",
        "a=inactive",
        "a=label:01",
        "m=audio 0 RTP/AVP 0",
        "",
    ]


def test_an_offer_of_ours_names_only_what_is_decoded_and_takes_the_answer_by_place():
    ours = our_offer((), ("x", "y"), knows)
    assert [one.label for one in ours] == ["x", "y"]
    assert set(ours[0].encodings) == {8, 0, 101}
    answered = with_answer(ours, "v=0\nc=IN IP4 192.0.2.1\nm=audio 4 RTP/AVP 8\na=sendonly\n")
    streams = streams_of(answered, 1, knows, "192.0.2.9")
    assert [stream.is_open for stream in streams] == [True, False]
    assert streams[0].key == "1:x"


ANY_LINE = st.sampled_from(
    ["m=audio 4000 RTP/AVP 8", "m=", "m=audio -1 RTP/AVP x", "a=rtpmap:999 X/1", "a=label:", "c=IN",
     "a=fmtp:8", "c=IN IP4 192.0.2.1/127", "a=sendonly", "=", "a", "m=audio 4 RTP/AVP 8 8 8 300"]
)  # fmt: skip


@given(st.lists(st.one_of(ANY_LINE, st.text(max_size=30)), max_size=20))
def test_nothing_raises_and_every_m_line_is_counted(lines):
    text = "\n".join(lines)
    offer = read_sdp(text)
    streams = streams_of(offer, 1, knows, "192.0.2.9")
    assert len({stream.key for stream in streams}) == len(offer)
    answers = [AnsweredLine(one, 9 if one.taken(knows) else 0, one.taken(knows)) for one in offer]
    again = read_sdp(write_sdp("192.0.2.1", 1, 1, answers))
    assert [one.kind for one in again] == [one.kind for one in offer]
    assert [bool(one.port) for one in again] == [bool(answer.port) for answer in answers]
