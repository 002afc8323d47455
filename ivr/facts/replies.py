"""What comes back about reports: a reported message itself, answers, receipts, bounces."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Self

from ivr.facts.reports import Channel

_MESSAGE = "sms-"


def is_message(case_id: str) -> bool:
    """Whether what a report names is a reported message instead of a sealed case."""
    return case_id.startswith(_MESSAGE)


@dataclass(frozen=True, slots=True)
class ReportedMessage:
    """A short message that somebody got and reports. No case: nothing of it was recorded by us.

    Args:
        message_id: the same for the same message, so that it is reported once.
        sender: as the telephone showed it.
        number: E.164; None: the sender is a name or a short code.
        received_at: as the person says.
        entered_by: who entered it here.
    """

    message_id: str
    keyword: Literal["S", "LD"]
    sender: str
    number: str | None
    text: str
    received_at: datetime
    entered_by: str

    @staticmethod
    def id_of(sender: str, text: str, received_at: datetime) -> str:
        told = "\n".join((sender, received_at.astimezone(UTC).isoformat(), text))
        return _MESSAGE + hashlib.sha256(told.encode()).hexdigest()[:20]


class ReplyKind(StrEnum):
    ANSWER = "answer"  # words for a person to read
    RECEIPT = "receipt"  # what a short message centre says of a message it took
    BOUNCE = "bounce"  # what a mail system says of a mail (RFC 3464)


class Bearing(StrEnum):
    """What a reply says of the report."""

    NONE = "none"
    ARRIVED = "arrived"
    REFUSED = "refused"  # it was not delivered, and will not be


@dataclass(frozen=True, slots=True)
class Reply:
    """Something that came back, word for word.

    Args:
        reply_id: SHA-256, hex; what comes a second time is kept once where its sender repeats
            itself until we say that we have it.
        sender: a number or mail address.
        coding: data coding of an SMPP message; None elsewhere.
        raw: as it came: octets of a short message, or the whole mail.
        provider_id: the centre's id of the message that a receipt is about; empty: none.
        report_prefix: beginning of the report's id that a mail names; empty: none.
        word: the state in the sender's own word (``UNDELIV``, ``failed``).
    """

    reply_id: str
    channel: Channel
    kind: ReplyKind
    sender: str
    received_at: datetime
    raw: bytes
    coding: int | None = None
    provider_id: str = ""
    report_prefix: str = ""
    word: str = ""
    bearing: Bearing = Bearing.NONE

    @staticmethod
    def id_of(*parts: bytes) -> str:
        """A reply id over what makes the reply the same one."""
        total = hashlib.sha256()
        for part in parts:
            total.update(len(part).to_bytes(8, "big") + part)
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply with the report it was found to belong to, and what it did to it."""

    reply: Reply
    report_id: str | None
    effect: str


_REFERENCE = re.compile(r"([^\s,]+) ([A-Z]+|no receipt yet)(?:, |$)")
_DELIVERED = "DELIVRD"
_REFUSED = frozenset({"UNDELIV", "REJECTD", "EXPIRED", "DELETED"})


@dataclass(frozen=True, slots=True)
class SmppReference:
    """What a centre has said so far: each part's message id and the state in its receipt, in the
    form ``SMPP 0A1B DELIVRD, 0A1C no receipt yet``."""

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """None: it is no such reference."""
        if text is None or not text.startswith("SMPP "):
            return None
        rest = text.removeprefix("SMPP ")
        found = _REFERENCE.findall(rest)
        if not found or ", ".join(f"{a} {b}" for a, b in found) != rest:
            return None
        return cls(tuple((a, None if b == "no receipt yet" else b) for a, b in found))

    def __str__(self) -> str:
        return "SMPP " + ", ".join(
            f"{each} {word or 'no receipt yet'}" for each, word in self.parts
        )

    def names(self, provider_id: str) -> bool:
        return any(same_id(each) == same_id(provider_id) for each, _ in self.parts)

    def told(self, provider_id: str, word: str) -> Self:
        """With what a receipt says of one part; a final state is not taken back."""
        wanted = same_id(provider_id)
        return type(self)(
            tuple(
                (each, word if same_id(each) == wanted and not _is_final(old) else old)
                for each, old in self.parts
            )
        )

    @property
    def bearing(self) -> Bearing:
        words = [word for _, word in self.parts]
        if any(word in _REFUSED for word in words):
            return Bearing.REFUSED
        return Bearing.ARRIVED if all(word == _DELIVERED for word in words) else Bearing.NONE


def _is_final(word: str | None) -> bool:
    return word == _DELIVERED or word in _REFUSED


def same_id(provider_id: str) -> str:
    """Centres pad ids with zeros and change their case between answer and receipt."""
    return provider_id.strip().lstrip("0").lower()
