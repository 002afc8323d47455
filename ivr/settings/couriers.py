"""Settings of the ways in which reports leave, besides mail."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ivr.settings.section import Port, Section

Octet = Annotated[int, Field(ge=0, le=255)]


class WebhookSettings(Section):
    secrets_dir: Path | None = Field(
        default=None,
        description="Folder with a file <recipient id>.secret for each webhook recipient; "
        "none: JSON reports are laid out in the outbox folder.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) to trust besides the system's."
    )
    timeout_s: float = Field(default=20.0, gt=0, description="Longest wait for one delivery.")
    receivers_are_idempotent: bool = Field(
        default=True,
        description="Receivers take a repeated Idempotency-Key once, as docs/couriers.md asks; "
        "False: an unclear delivery waits for a person.",
    )


class SmppSettings(Section):
    host: str = Field(
        default="", description="Short message centre that takes SMPP 3.4; empty: none."
    )
    port: Port = Field(default=2775, description="Its port.")
    security: Literal["tls", "none"] = Field(
        default="tls",
        description="none only on this machine, or with plain_to_private.",
    )
    plain_to_private: bool = Field(
        default=False,
        description="Allow security none to a private address: everybody on the way reads the "
        "messages, so only through a tunnel that encrypts.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) to trust besides the system's."
    )
    system_id: str = Field(default="", max_length=15, description="Login at the centre.")
    password_file: Path | None = Field(
        default=None, description="File that holds the password, at most 8 characters."
    )
    system_type: str = Field(
        default="", max_length=12, description="As the operator says; often empty."
    )
    source: str = Field(
        default="", max_length=20, description="Sender number; empty: the account's own."
    )
    source_ton: Octet = Field(default=0, description="Its type of number.")
    source_npi: Octet = Field(default=0, description="Its numbering plan.")
    dest_ton: Octet = Field(default=0, description="Type of number of 156 and 5656.")
    dest_npi: Octet = Field(default=0, description="Their numbering plan.")
    timeout_s: float = Field(
        default=20.0, gt=0, description="Longest wait for binding, and for sending one message."
    )
    enquire_s: float = Field(
        default=30.0, gt=0, description="Silence after which the centre is asked whether it lives."
    )
    throttle_first_s: float = Field(
        default=1.0, gt=0, description="First wait when the centre says we send too fast; doubles."
    )
    receipt_wait_s: float = Field(
        default=10.0, ge=0, description="How long a delivery receipt is waited for."
    )


class ModemSettings(Section):
    device: Path | None = Field(
        default=None,
        description="GSM modem with the subscriber's SIM, /dev/ttyUSB0; none: no modem.",
    )
    connection: str = Field(default="at115200", description="Gammu's name of the connection.")
    model: str = Field(default="", description="Gammu's name of the model; empty: found out.")
    home_only: bool = Field(
        default=True, description="Send only in the SIM's own network: short codes are known there."
    )
    timeout_s: float = Field(
        default=25.0, gt=0, description="Longest wait for the modem to open, and to send."
    )
    replies_every_s: float = Field(
        default=60.0,
        ge=0,
        description="How often answers of 156 and 5656 are copied from the SIM; 0: never. Messages "
        "of others are passed over.",
    )
