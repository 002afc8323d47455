"""What leaves the house: reports and what became of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    SMS = "sms"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the case, by its path inside the case folder; content never sits in the ledger."""

    path: str
    media_type: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """One message to one recipient over one channel.

    ``report_id`` = sha256 over (case, recipient, channel, template digest): composing the same
    report again gives the same id, so it can be queued any number of times and is sent once.
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


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
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
