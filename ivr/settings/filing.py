"""Settings of evidence, reports, storage and logs."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ivr.settings.section import Port, Section


class EvidenceSettings(Section):
    site: str = Field(default="ivr", description="Name of this installation in every manifest.")
    key_file: Path | None = Field(
        default=None,
        description="Signing key (PEM: Ed25519, P-256, RSA); default: made under the data folder.",
    )
    certificate_file: Path | None = Field(
        default=None,
        description="Certificate of the signing key and those it leads to (PEM), put into seals.",
    )
    pkcs11_module: Path | None = Field(
        default=None, description="PKCS#11 library (.so) of a token that holds the signing key."
    )
    pkcs11_token: str = Field(
        default="", description="Label of the token; empty: the only one plugged in."
    )
    pkcs11_key: str = Field(
        default="", description="Label of the key on it; empty: the only one there."
    )
    pkcs11_pin_file: Path | None = Field(
        default=None, description="File with the PIN, readable to this user alone."
    )
    heads_dir: Path | None = Field(
        default=None,
        description="Folder where heads of the site log are laid out for outsiders; default: heads "
        "under the data folder.",
    )
    heads_every_s: float = Field(
        default=3600.0, gt=0, description="How often a head is laid there when the log has grown."
    )


class SmtpSettings(Section):
    host: str = Field(default="", description="Mail server; empty: no mail is sent.")
    port: Port = Field(default=587, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="none only for a server on this machine."
    )
    username: str = Field(default="", description="Login, if the server wants one.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    sender: str = Field(default="ivr@localhost", description="From address of the reports.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) to trust besides the system's."
    )
    timeout_s: float = Field(default=30.0, gt=0, description="Longest wait for one delivery.")
    replies_maildir: Path | None = Field(
        default=None,
        description="Maildir into which the sender's mail is delivered: answers and bounces are "
        "read from there; none: they are not.",
    )
    dkim_key_file: Path | None = Field(
        default=None, description="RSA key (PEM) to sign mail with; none: the mail server signs."
    )
    dkim_selector: str = Field(
        default="ivr",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="Its public half is in the DNS at <selector>._domainkey.<sender domain>.",
    )


class ReportingSettings(Section):
    recipients: Path = Field(
        default=Path("config/recipients.toml"), description="Who may be written to."
    )
    file_automatically: bool = Field(
        default=True,
        description="File at the filing level without asking; False waits for a person.",
    )
    sms_form: Literal["A", "B", "C"] = Field(
        default="A", description="Spelling of LD/V/S messages: A (…) (…), B […][…], C plain."
    )
    sms_short_code: Literal["156", "5656"] = Field(
        default="156", description="Where LD/V/S messages go."
    )
    outbox_dir: Path | None = Field(
        default=None, description="Folder for composed messages; default: under the data folder."
    )
    lease_s: float = Field(
        default=60.0, gt=0, description="How long one delivery may hold a report."
    )
    retry_first_s: float = Field(default=5.0, gt=0, description="First wait after a failure.")
    retry_longest_s: float = Field(default=3600.0, gt=0, description="Longest wait.")
    attempts: int = Field(default=20, ge=1, description="Attempts before a person must look.")
    parallel: int = Field(default=4, ge=1, le=64, description="Deliveries at the same time.")
    poll_s: float = Field(
        default=5.0,
        gt=0,
        description="How often the ledger is asked for reports of other processes.",
    )
    verified_max_age_days: int = Field(
        default=180, ge=1, description="Older verification of a recipient: nothing is sent there."
    )
    most_a_day: int = Field(
        default=500, ge=1, description="Reports sent to one recipient in a day; the rest waits."
    )
    sms_a_number_a_day: int = Field(
        default=1, ge=1, description="Messages sent about one calling number in a day."
    )
    attachments_max_mb: float = Field(
        default=15.0,
        gt=0,
        description="Recordings beyond this stay out of a mail: [links], or only listed.",
    )
    contact: str = Field(
        default="",
        description="Whom a recipient asks for what a mail does not carry; empty: by answering it.",
    )
    english_summary: bool = Field(
        default=True, description="Put an English summary at the end of a mail."
    )


class StorageSettings(Section):
    root: Path = Field(default=Path("ivr-data"), description="Data folder: cases, keys, ledger.")
    ledger_url: str = Field(
        default="", description="Database URL; default: SQLite in the data folder."
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Below debug, fields named pii_* are masked."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="console for people, json for machines."
    )
