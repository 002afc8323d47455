"""What leaves the house: reports and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ivr.facts.call import Caller, Mode
from ivr.facts.judgement import PhraseHit, SecondOpinion, Verdict
from ivr.facts.rights import LawfulBasis
from ivr.facts.speech import Utterance


class Channel(StrEnum):
    SMS = "sms"
    MAIL = "mail"
    WEBHOOK = "webhook"  # JSON by HTTPS


class Wish(StrEnum):
    """What the subscriber asked for with a key while the call ran; the last word counts."""

    NONE = "none"
    REPORT = "report"
    WITHDRAW = "withdraw"  # it is no scam: nothing shall be filed


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the case, by its path inside the case folder; content never sits in the ledger.

    Args:
        size: bytes; 0: not known.
        is_linked: too large for a mail: it goes as a link, or the mail says how to ask for it.
    """

    path: str
    media_type: str
    sha256: str
    size: int = 0
    is_linked: bool = False


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of a sealed case: its path inside the case folder, size in bytes, hex digest."""

    path: str
    size: int
    sha256: str
    media_type: str


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """All that a report may say about a sealed case.

    Args:
        caller: the number a report would name, with its source header and confidence.
        subscriber: the number that was called; named in mail, never in an SMS.
        hits: the verdict's hit list; ``Reason.hits`` index into it.
        utterances: final utterances of every leg.
        files: every file under the seal, and the signature and key of the seal itself.
        seal_sha256: digest of the canonical manifest.
        model_name: the model of the recogniser that heard the call live.
        second: what a second recogniser heard afterwards; when it leads, ``hits`` and
            ``utterances`` are its own.
        is_demonstration_model: the model that ships for trying out, not for real cases.
        is_complete: False when the recorder was cut off before the call ended.
        unheard_s: seconds of sound that were recorded but not recognised.
        meanings: concept → what it means, Vietnamese and English, from the rulebook.
        pretext_names: pretext → its name, Vietnamese and English, from the rulebook.
        wish: what the subscriber asked for; the verdict stands whatever it is.
        basis: on what ground the call was recorded.
    """

    case_id: str
    mode: Mode
    site: str
    caller: Caller
    subscriber: str | None
    opened_at: datetime
    duration_s: float
    verdict: Verdict
    hits: tuple[PhraseHit, ...]
    utterances: tuple[Utterance, ...]
    files: tuple[CaseFile, ...]
    seal_sha256: str
    model_name: str
    is_demonstration_model: bool
    is_complete: bool
    unheard_s: float = 0.0
    meanings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    pretext_names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    second: SecondOpinion | None = None
    wish: Wish = Wish.NONE
    basis: LawfulBasis | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One message to one recipient over one channel.

    ``report_id`` = sha256 over (case, recipient, channel, template digest): composing the same
    report again gives the same id, so it can be queued any number of times and is sent once.

    Args:
        case_id: the sealed case, or the message (`ivr.facts.replies.is_message`) it is about.
        needs_release: a person must let it go before anything is sent; the ledger keeps this as
            the state it is queued in.
    """

    report_id: str
    case_id: str
    channel: Channel
    recipient_id: str
    address: str
    subject: str
    body: str
    attachments: tuple[Attachment, ...]
    template_sha256: str
    needs_release: bool = False


class DeliveryState(StrEnum):
    HELD = "held"  # composed; waits for a person to release it
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"  # the recipient's side took it
    READY = "ready"  # laid out in the outbox folder; a person must hand it over
    RETRY = "retry"
    UNCERTAIN = "uncertain"  # cut off in mid-delivery: a person decides, it is not sent twice
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of one report in the outbox."""

    report_id: str
    case_id: str
    channel: Channel
    recipient_id: str
    address: str
    state: DeliveryState
    attempts: int
    provider_reference: str | None
    last_error: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to deliver one report, for a while.

    Args:
        case_path: the sealed case folder that attachments are read from.
        attempt: counts from 1 over the report's life; an older attempt's failure changes nothing.
        tries: attempts since the report was queued, or a person last sent it on its way.
    """

    report: Report
    case_path: Path
    holder: str
    attempt: int
    tries: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one recipient may get of a channel in a day.

    Args:
        a_day: reports to one recipient.
        a_number: reports to one recipient about the same calling number; None: no limit.
        since: when this day began.
        until: when what exceeds it may go.
    """

    a_day: int
    a_number: int | None
    since: datetime
    until: datetime
