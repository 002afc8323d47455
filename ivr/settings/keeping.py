"""Settings of how long cases are kept, and of their encryption at rest."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from ivr.settings.section import Section

Days = Annotated[float, Field(ge=0.0)]


class RetentionSettings(Section):
    """Days from the seal; the verdict's label chooses. See docs/keeping.md for the sources."""

    clean_days: Days = Field(
        default=1.0, description="Days a call judged clean is kept; 0: never deleted by itself."
    )
    unsure_days: Days = Field(default=30.0, description="The same for calls judged unsure.")
    spam_days: Days = Field(default=90.0, description="The same for advertising.")
    suspicious_days: Days = Field(default=90.0, description="The same for suspicious calls.")
    scam_days: Days = Field(
        default=0.0, description="The same for scam; 0: until a person closes it (`cases purge`)."
    )
    reported_days: Days = Field(
        default=0.0,
        description="Instead of the label's, once a report of the call went out, advertising "
        "apart: the authority may ask for it; 0: until a person closes it.",
    )
    sweep_every_s: float = Field(
        default=600.0, gt=0, description="How often `ivr serve` deletes, and encrypts, what is due."
    )

    def days(self, label: str) -> float:
        """Days for a verdict's label; 0: never by itself, as for a label without a rule."""
        return float(getattr(self, f"{label}_days", 0.0))

    def rule(self, label: str, *, is_reported: bool) -> tuple[str, float]:
        """The setting that decides over a call, and its days."""
        if is_reported and label != "spam":
            return "reported_days", self.reported_days
        return f"{label}_days", self.days(label)


class EncryptionSettings(Section):
    """Encryption of sealed cases at rest (age)."""

    recipients_file: Path | None = Field(
        default=None,
        description="File of age recipients (age1…, one a line) that sealed cases are encrypted "
        "to; none: cases stay readable.",
    )
    identity_file: Path | None = Field(
        default=None,
        description="File of the age identity (AGE-SECRET-KEY-1…) that opens them here; none: "
        "they are opened elsewhere.",
    )
    case_keys_dir: Path | None = Field(
        default=None,
        description="Folder of the key of each case, best on another disk than the data; default: "
        "case-keys in the data folder.",
    )
    work_dir: Path | None = Field(
        default=None,
        description="Folder where an encrypted case is opened while it is read, best in memory; "
        "default: work in the data folder.",
    )

    @model_validator(mode="after")
    def _an_identity_needs_recipients(self) -> Self:
        if self.identity_file is not None and self.recipients_file is None:
            raise ValueError("encryption.identity_file needs encryption.recipients_file")
        return self
