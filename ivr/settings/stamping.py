"""Settings of the seal's time-stamps."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ivr.settings.section import Seconds, Section


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port or 0) >= 0  # `port` raises beyond 65535
    except ValueError:
        return False


class TimestampSettings(Section):
    url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="RFC 3161 authority that stamps each seal; empty: none is asked.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) its tokens must lead to; all are trusted."
    )
    policy: str = Field(
        default="",
        pattern=r"^(\d+(\.\d+)+)?$",
        description="Policy (OID) its tokens must name; empty: any.",
    )
    timeout_s: float = Field(default=20.0, gt=0, description="Longest wait for one answer.")
    every_s: float = Field(
        default=30.0, gt=0, description="How often seals without a token are looked for."
    )
    clock_tolerance_s: Seconds = Field(
        default=2.0,
        description="How far this host's clock may be ahead of the authority's, besides the "
        "accuracy that the token states.",
    )
    required: bool = Field(
        default=False, description="`ivr verify` fails for a case without a token."
    )

    @model_validator(mode="after")
    def _must_be_able_to_check(self) -> Self:
        if self.url and not _is_address(self.url):
            raise ValueError(f"timestamp.url is no address of a server: {self.url}")
        if self.url and self.ca_file is None:
            raise ValueError(
                "timestamp.url needs timestamp.ca_file: a token that cannot be checked is not kept"
            )
        return self
