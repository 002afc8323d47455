"""Settings of the ways in which reports leave, besides mail."""

from pathlib import Path

from pydantic import Field

from ivr.settings.section import Section


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
