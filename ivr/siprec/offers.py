"""From media lines to streams, and back: whose offer it ever was. Pure."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ivr.facts.call import MediaAgreed
from ivr.ports import MediaEndpoint
from ivr.siprec.facts import OfferedStream
from ivr.siprec.sdp import Accepts, AnsweredLine, MediaLine, read_sdp

NO_AGENT: Final = ("127.0.0.1", 0)
"""Nobody of ours takes part in a mirrored call."""

PROPOSED: Final[Mapping[int, tuple[str, int]]] = {
    8: ("PCMA", 8000), 0: ("PCMU", 8000), 9: ("G722", 8000), 3: ("GSM", 8000),
    101: ("telephone-event", 8000),
}  # fmt: skip
"""What an offer of ours names, as far as it can be decoded."""

DEFAULT_LABELS: Final = ("1", "2")


def streams_of(
    lines: Sequence[MediaLine], session: int, accepts: Accepts, signalled_from: str
) -> tuple[OfferedStream, ...]:
    """Every line as a stream. A label that stands twice names nothing: position does then."""
    labels = [line.label for line in lines]
    return tuple(
        _stream(line, session, accepts, signalled_from, labels.count(line.label) == 1)
        for line in lines
    )


def _stream(
    line: MediaLine, session: int, accepts: Accepts, signalled_from: str, is_unique: bool
) -> OfferedStream:
    is_named = line.label is not None and is_unique
    key = f"{session}:{line.label}" if is_named else f"{session}#{line.index}"
    payloads = line.taken(accepts)
    media = None
    if payloads:
        media = MediaAgreed(
            remote=(_numeric(line.host) or signalled_from, line.port),
            signalled_from=signalled_from,
            agent=NO_AGENT,
            payload_types=dict(payloads),
            direction="inactive" if line.direction in {"inactive", "recvonly"} else "recvonly",
        )
    return OfferedStream(
        key=key,
        session=session,
        index=line.index,
        label=line.label,
        media=media,
        is_open=media is not None,
        is_on_hold=line.is_on_hold,
        why_closed="" if media else _why_closed(line),
    )


def _why_closed(line: MediaLine) -> str:
    if not line.port:
        return "closed by the sender (port 0)"
    if line.kind != "audio":
        return f"no sound: {line.kind}"
    if line.protocol.upper() not in {"RTP/AVP", "RTP/AVPF"}:
        return f"not plain RTP: {line.protocol}"
    names = ", ".join(f"{name}/{rate}" for name, rate in line.encodings.values())
    return f"no codec that is known here: {names or ' '.join(line.formats) or 'none named'}"


def _numeric(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ""  # a name: where the signalling comes from is as near as we get
    return host


def answered_lines(
    lines: Sequence[MediaLine],
    streams: Sequence[OfferedStream],
    endpoints: Mapping[str, MediaEndpoint],
    accepts: Accepts,
) -> list[AnsweredLine]:
    """What we say to each line: our port where the stream is recorded, else 0."""
    answers = []
    for line, stream in zip(lines, streams, strict=True):
        endpoint = endpoints.get(stream.key)
        payloads = line.taken(accepts)
        port = endpoint.port if endpoint is not None and payloads else 0
        answers.append(AnsweredLine(line, port, payloads))
    return answers


def our_offer(
    known: Sequence[MediaLine], labels: Sequence[str], accepts: Accepts
) -> tuple[MediaLine, ...]:
    """Lines for an INVITE without offer: those of the session so far, else one for each stream of
    the metadata, else two."""
    if known:
        return tuple(known)
    payloads = {
        number: codec
        for number, codec in PROPOSED.items()
        if codec[0] == "telephone-event" or accepts(*codec)
    }
    return tuple(
        MediaLine(
            index=index,
            kind="audio",
            port=9,  # a placeholder that is not 0; the answer names the sender's
            protocol="RTP/AVP",
            formats=tuple(str(number) for number in payloads),
            label=label,
            direction="sendonly",
            encodings=payloads,
        )
        for index, label in enumerate(labels or DEFAULT_LABELS)
    )


def with_answer(offered: Sequence[MediaLine], sdp: str) -> tuple[MediaLine, ...]:
    """Our lines with what the other side's answer says of each; unanswered ones are closed."""
    answers = {line.index: line for line in read_sdp(sdp)}
    nothing = MediaLine(0, "audio", 0, "RTP/AVP", ())
    found = []
    for line in offered:
        answer = answers.get(line.index, nothing)
        found.append(replace(answer, index=line.index, label=line.label))
    return tuple(found)
