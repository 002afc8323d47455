"""What both sides have said of the media of one dialog (RFC 3264)."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ivr.ports import MediaEndpoint
from ivr.siprec.facts import OfferedStream
from ivr.siprec.offers import answered_lines, our_offer, streams_of, with_answer
from ivr.siprec.request import printable
from ivr.siprec.sdp import Accepts, MediaLine, read_sdp, write_sdp

MAX_LINES: Final = 64
"""Media lines of one description; more are refused with 488."""


class Proposal:
    """An offer that waits for our answer, or one of ours.

    Args:
        is_ours: the other side asked for an offer (an INVITE without one).
    """

    def __init__(
        self, lines: tuple[MediaLine, ...], streams: tuple[OfferedStream, ...], is_ours: bool
    ) -> None:
        self.lines, self.is_ours = lines, is_ours
        # nobody has said yet who sends the streams of our own offer
        self.streams = tuple(replace(s, media=None) for s in streams) if is_ours else streams

    @property
    def is_acceptable(self) -> bool:
        """At least one stream can be recorded, or every line of sound is closed for now."""
        if not 0 < len(self.lines) <= MAX_LINES:
            return False
        sound = [line for line in self.lines if line.kind == "audio"]
        return any(stream.is_open for stream in self.streams) or (
            bool(sound) and not any(line.port for line in sound)
        )

    @property
    def warning(self) -> tuple[str, str]:
        """RFC 3261 section 20.43: what is wrong with the offer."""
        why = dict.fromkeys(stream.why_closed for stream in self.streams if stream.why_closed)
        text = printable("; ".join(why) or "no media line").replace('"', "'").replace("\\", "")
        return ("Warning", f'305 ivr "{text[:200]}"')


class Description:
    """The media of a dialog as agreed so far."""

    def __init__(self, session: int, accepts: Accepts) -> None:
        self._session, self._accepts = session, accepts
        self._id, self._version, self._said = secrets.randbelow(1 << 31), 0, ""
        self._lines: tuple[MediaLine, ...] = ()
        self._ours: tuple[MediaLine, ...] = ()

    @property
    def waits_for_answer(self) -> bool:
        """Whether an offer of ours is out."""
        return bool(self._ours)

    def offered(self, sdp: str, source: str) -> Proposal:
        """An offer of the other side, which signals from ``source``."""
        lines = read_sdp(sdp)
        return Proposal(lines, self._streams(lines, source), is_ours=False)

    def asked(self, labels: Sequence[str], source: str) -> Proposal:
        """The other side wants an offer; ``labels`` are those of the metadata."""
        named = tuple(dict.fromkeys(label for label in labels if label))[:MAX_LINES]
        lines = our_offer(self._lines, named, self._accepts)
        return Proposal(lines, self._streams(lines, source), is_ours=True)

    def said(self, proposal: Proposal, endpoints: Mapping[str, MediaEndpoint], host: str) -> bytes:
        """Our answer, or our offer. Its version grows when it says something new."""
        if proposal.is_ours:
            self._ours = proposal.lines
        else:
            self._lines = proposal.lines
        where = next((endpoint.host for endpoint in endpoints.values()), host)
        answers = answered_lines(proposal.lines, proposal.streams, endpoints, self._accepts)
        text = write_sdp(where, self._id, self._version, answers)
        if text != self._said:
            self._version += 1
            text = self._said = write_sdp(where, self._id, self._version, answers)
        return text.encode()

    def answered(self, sdp: str | None, source: str) -> tuple[OfferedStream, ...] | None:
        """The other side's answer to our offer; None when there is none."""
        offered, self._ours = self._ours, ()
        if sdp is None:
            return None
        self._lines = with_answer(offered, sdp)
        return self._streams(self._lines, source)

    def forget_ours(self) -> None:
        """Our offer is void."""
        self._ours = ()

    def _streams(self, lines: tuple[MediaLine, ...], source: str) -> tuple[OfferedStream, ...]:
        return streams_of(lines, self._session, self._accepts, source)
