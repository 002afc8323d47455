"""Settings of who answers for personal data, and of what people ask about theirs."""

from datetime import date
from pathlib import Path

from pydantic import Field

from ivr.settings.section import Section


class RightsSettings(Section):
    law: Path = Field(
        default=Path("config/law.toml"),
        description="The rules of law that terms and papers rest on, for a lawyer to correct.",
    )
    holidays: Path = Field(
        default=Path("config/holidays.toml"), description="Days off, for working days."
    )
    controller: str = Field(
        default="", description="Who answers for the data: name as in the papers (bên kiểm soát)."
    )
    controller_address: str = Field(default="", description="Its address, for the papers.")
    contact: str = Field(
        default="",
        description="Where people may send requests and complaints: printed in every letter.",
    )
    officer: str = Field(
        default="", description="The person in charge of data protection, for forms."
    )
    consent_version: str = Field(
        default="",
        description="Version of the consent text in use; `ivr rights basis` names subscribers who "
        "agreed to another. Empty: none is asked.",
    )
    processing_since: date | None = Field(
        default=None,
        description="Day of the first real call; the term of the impact file counts from it.",
    )
    impact_filed_on: date | None = Field(
        default=None, description="Day on which the impact file was sent to the authority."
    )
    breach_warn_h: float = Field(
        default=24.0,
        ge=0,
        description="Hours before the end of a breach's clock from which an alarm stands.",
    )
    erase_after_days: int = Field(
        default=365,
        ge=1,
        description="Days after a request was closed until number, name, contact and answer are "
        "erased from the queue.",
    )
