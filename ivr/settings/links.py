"""Settings of the links by which recipients fetch recordings that are too large for a mail."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ivr.settings.section import Port, Section

_HERE = ("localhost", "127.0.0.1", "::1")


class LinkSettings(Section):
    """Off while ``port`` is 0: then a mail lists what it does not carry, and says how to ask."""

    bind: str = Field(
        default="127.0.0.1",
        description="Address on which `ivr serve` hands out linked recordings (HTTP); a web server "
        "with TLS stands before it.",
    )
    port: Port = Field(
        default=0, description="Its port; 0: off, recordings too large for a mail are only listed."
    )
    base_url: str = Field(
        default="",
        description="Address of that web server as recipients reach it, https://ho-so.example.vn.",
    )
    days: float = Field(
        default=14.0,
        gt=0,
        le=90,
        description="How long a link counts from the sending of the mail.",
    )
    most_downloads: int = Field(
        default=20, ge=1, description="How often one link may be used; then the recipient asks."
    )

    @property
    def is_on(self) -> bool:
        return self.port != 0

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if not self.is_on:
            return self
        parts = urlsplit(self.base_url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
        if not is_safe or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError(
                "links.base_url is an https:// address without login and query (http:// only on "
                "this machine)"
            )
        return self
