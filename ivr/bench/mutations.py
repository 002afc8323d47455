"""SIP messages as they should not be: real ones, damaged in the ways that break parsers. Pure."""

import random
from collections.abc import Callable, Sequence
from typing import Final

HEAD: Final = (
    "Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{n}\r\n"
    'From: "Nguyen" <sip:+84987654321@127.0.0.1>;tag=f{call}\r\nTo: <sip:ivr@127.0.0.1>{tag}\r\n'
    "Call-ID: fuzz-{call}\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.1:{port}>\r\n"
)
SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)
METADATA: Final = (
    "<?xml version=\"1.0\"?>\r\n<recording xmlns='urn:ietf:params:xml:ns:recording:1'>"
    '<datamode>complete</datamode><session session_id="s{call}"/>'
    '<participant participant_id="p1"><nameID aor="sip:+84987654321@op.example"/>'
    '</participant><stream stream_id="m1" session_id="s{call}"><label>1</label></stream>'
    '<participantstreamassoc participant_id="p1"><send>m1</send></participantstreamassoc>'
    "</recording>\r\n"
)
_PAIR = SDP.replace("sendrecv", "sendonly\r\na=label:1") + SDP[SDP.index("m=audio") :].replace(
    "sendrecv", "sendonly\r\na=label:2"
)
MULTIPART: Final = (
    f"--B\r\nContent-Type: application/sdp\r\n\r\n{_PAIR}\r\n"
    f"--B\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{METADATA}\r\n--B--\r\n"
)


def _request(method: str, more: str = "", body: str = "", kind: str = "application/sdp") -> str:
    described = f"Content-Type: {kind}\r\n" if body else ""
    return (
        f"{method} sip:ivr@127.0.0.1 SIP/2.0\r\n{HEAD}CSeq: {{cseq}} {method}\r\n{more}"
        f"{described}Content-Length: {len(body)}\r\n\r\n{body}"
    )


def _response(status: str, method: str, body: str = "") -> str:
    described = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"SIP/2.0 {status}\r\n{HEAD}CSeq: {{cseq}} {method}\r\n{described}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


IDENTITIES = (
    "P-Asserted-Identity: <tel:+84912345678>\r\nDiversion: <sip:+84900000001@x>;reason=unknown\r\n"
    "History-Info: <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1,<sip:c@d>;index=1.1\r\n"
    'Remote-Party-ID: "x" <sip:1@b>;party=calling;privacy=off\r\n'
)
BEGINNINGS: Final = (
    _request("INVITE", body=SDP),
    _request("INVITE", more=IDENTITIES, body=SDP),
    _request("INVITE", more="Session-Expires: 1800;refresher=uac\r\nSupported: timer\r\n"),
    _request("OPTIONS"),
    _request("REGISTER", more='Expires: 3600\r\nAuthorization: Digest username="a"\r\n'),
    _request("SUBSCRIBE", more="Event: presence\r\nExpires: 60\r\n"),
    _request("MESSAGE", body="Xin chao", kind="text/plain"),
)
RECORDINGS: Final = (
    _request("INVITE", "Require: siprec\r\n", MULTIPART, "multipart/mixed;boundary=B"),
    _request("UPDATE", "", MULTIPART, "multipart/mixed;boundary=B"),
    _request("INFO", "", METADATA, "application/rs-metadata+xml"),
)
WITHIN: Final = (
    _request("ACK"),
    _request("ACK", body=SDP),
    _request("BYE", more='Reason: Q.850;cause=16;text="x"\r\n'),
    _request("CANCEL"),
    _request("INVITE", body=SDP.replace("sendrecv", "sendonly")),
    _request("UPDATE", body=SDP),
    _request("PRACK", more="RAck: 1 1 INVITE\r\n"),
    _request("INFO", body="Signal=5\r\nDuration=160\r\n", kind="application/dtmf-relay"),
    _request("REFER", more="Refer-To: <sip:x@127.0.0.1?Replaces=1>\r\n"),
    _request("NOTIFY", "Event: refer\r\n", "SIP/2.0 200 OK\r\n", "message/sipfrag"),
    _response("200 OK", "INVITE", SDP),
    _response("200 OK", "BYE"),
    _response("481 Gone", "BYE"),
    _response("302 Moved", "INVITE"),
)
NASTY: Final = (
    b"", b"\0", b"\r\n", b"\r\n\r\n", b"\t \r\n ", b";", b",", b"\"", b"<", b">", b"@", b"%",
    b"%00", b"%s%n", b"-1", b"0", b"4294967296", b"99999999999999999999", b"\xff\xfe", b"\xc3\x28",
    b"sip:", b"tel:", b"sip:[::1", b"127.0.0.1:99999", b"a" * 700, b"(" * 200, b"<" * 200,
    b"SIP/2.0", b"SIP/9.9", b"m=audio 0 RTP/AVP 0\r\n", b"a=rtpmap:\r\n", b"c=IN IP6 ::\r\n",
    b"--B--", b"multipart/mixed", b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
)  # fmt: skip


def mutated(
    chance: random.Random, seeds: Sequence[bytes], most: int = 6, longest: int = 60_000
) -> bytes:
    """One of the seeds with one to ``most`` kinds of damage, seldom many; never empty."""
    data = bytearray(chance.choice(seeds))
    for _ in range(min(most, 1 + int(chance.expovariate(1.0)))):
        chance.choice(_DAMAGES)(chance, data, seeds)
        if not data:
            break
    return bytes(data[:longest]) or b"\0"


def _change_a_byte(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[chance.randrange(len(data))] = chance.randrange(256)


def _remove(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 40)]


def _repeat(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randrange(1, 80)] * chance.choice((1, 1, 2, 20))


def _insert(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.choice(NASTY)


def _cut(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data)) :]


def _splice(chance: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = chance.choice(seeds)
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]


def _shuffle_lines(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    lines = bytes(data).split(b"\r\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines[first], lines[second] = lines[second], lines[first]
        case 1:
            lines.insert(first, lines[second])
        case _:
            del lines[first]
    data[:] = b"\r\n".join(lines)


def _replace_a_value(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    lines = bytes(data).split(b"\r\n")
    place = chance.randrange(len(lines))
    name, mark, _value = lines[place].partition(chance.choice((b":", b"=", b" ", b";")))
    lines[place] = name + mark + chance.choice(NASTY)
    data[:] = b"\r\n".join(lines)


_Damage = Callable[[random.Random, bytearray, Sequence[bytes]], None]
_DAMAGES: tuple[_Damage, ...] = (
    _change_a_byte,
    _remove,
    _repeat,
    _insert,
    _cut,
    _splice,
    _shuffle_lines,
    _replace_a_value,
)
