"""Who may be written to: ``recipients.toml``, checked before anything is composed.

Offices move and are renamed; an address that nobody has checked lately must not receive a
citizen's case. So every recipient carries when and by whom it was verified, and the reports
refuse one that was not, except on this machine (``local``) and the public short codes.
"""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from email.headerregistry import Address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ivr.errors import SettingsError
from ivr.facts.reports import Channel

Kind = Literal["office", "operator", "short_code", "local"]
Policy = Literal["automatic", "confirm"]
_SHORT_CODES = ("156", "5656")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One office, over one channel.

    Args:
        kind: ``office`` and ``operator`` need a recent verification; ``short_code`` is 156 or
            5656; ``local`` is on this machine, for trying out.
        role: why this recipient is written to, printed in lists.
        legal_basis: the instrument that names this recipient.
        superseded_by: id of the recipient that took over its duties; from ``valid_to`` on, or at
            once where that is not set.
        filing: ``confirm``: each report waits until a person releases it.
    """

    id: str
    kind: Kind
    role: str
    name: str
    channel: Channel
    address: str
    aliases: tuple[str, ...] = ()
    legal_basis: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    superseded_by: str | None = None
    verified_on: date | None = None
    verified_by: str = ""
    is_enabled: bool = True
    filing: Policy = "automatic"

    @property
    def needs_verification(self) -> bool:
        return self.kind not in ("local", "short_code")

    def refusal(self, today: date, max_age_days: int) -> str | None:
        """Why nothing may be sent here today, or None."""
        if not self.is_enabled:
            return "it is not enabled"
        if self.valid_from is not None and today < self.valid_from:
            return f"it is valid from {self.valid_from}"
        if self.valid_to is not None and today > self.valid_to:
            heir = f"; see {self.superseded_by}" if self.superseded_by else ""
            return f"it was valid until {self.valid_to}{heir}"
        if self.superseded_by is not None and self.valid_to is None:
            return f"it is superseded by {self.superseded_by}"
        if not self.needs_verification:
            return None
        if self.verified_on is None or not self.verified_by:
            return "nobody has verified its address"
        if self.verified_on > today:
            return f"its verification is dated in the future ({self.verified_on})"
        if today - self.verified_on > timedelta(days=max_age_days):
            return f"its address was last verified on {self.verified_on}"
        return None


class _Row(BaseModel):
    """One ``[[recipient]]`` table as written."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    kind: Kind = "office"
    role: str
    name: str
    channel: Channel
    address: str
    aliases: tuple[str, ...] = ()
    legal_basis: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    superseded_by: str | None = None
    verified_on: date | None = None
    verified_by: str = ""
    enabled: bool = False
    filing: Policy = "automatic"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.channel is Channel.SMS and self.address not in _SHORT_CODES:
            raise ValueError("an sms recipient's address is 156 or 5656")
        if (self.kind == "short_code") != (self.channel is Channel.SMS):
            raise ValueError("kind short_code and channel sms belong together")
        if self.channel is Channel.WEBHOOK:
            _check_webhook_address(self.address, is_local=self.kind == "local")
            return self._dated()
        if self.channel is Channel.MAIL:
            _check_mail_address(self.address)
        if self.kind == "local" and not self.address.endswith(("@localhost", ".localhost")):
            raise ValueError("a local recipient's address ends in localhost")
        return self._dated()

    def _dated(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self


def _check_mail_address(address: str) -> None:
    if not address.isascii():
        raise ValueError("a mail address has ASCII letters only")
    try:
        parsed = Address(addr_spec=address)
    except Exception as problem:  # the parser raises IndexError and others on some broken text
        raise ValueError(f"{address!r} is not a mail address") from problem
    if not parsed.domain or not parsed.username or not address.isprintable():
        raise ValueError(f"{address!r} is not a mail address")


def _check_webhook_address(address: str, *, is_local: bool) -> None:
    """https with a host and no login in it; http and loopback for a local recipient only."""
    if not address.isascii() or not address.isprintable() or " " in address:
        raise ValueError("a webhook address has printable ASCII letters only")
    parts = urlsplit(address)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if is_local != is_here:
        raise ValueError("a webhook on this machine, and only such a one, is of kind local")
    if parts.scheme != "https" and not (is_here and parts.scheme == "http"):
        raise ValueError("a webhook address begins with https://")
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError("a webhook address has a host, and neither a login nor a fragment")


def load(file: Path) -> tuple[Recipient, ...]:
    """Read the table.

    Raises:
        SettingsError: the file is missing, is no TOML, or a row has mistakes; all are listed.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise _refused(file, problem.strerror or str(problem)) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise _refused(file, str(problem)) from problem
    rows = document.pop("recipient", [])
    mistakes = [f"unknown name {name!r}" for name in document]
    if not isinstance(rows, list):
        raise _refused(file, "recipient is not a list of [[recipient]] tables")
    found: list[Recipient] = []
    for n, row in enumerate(rows, start=1):
        try:
            found.append(_to_recipient(_Row.model_validate(row)))
        except ValidationError as problem:
            mistakes += [f"recipient {n} ({_name_of(row)}): {each}" for each in _listed(problem)]
    mistakes += _across_rows(found)
    if mistakes:
        raise _refused(file, "; ".join(mistakes))
    return tuple(found)


def _to_recipient(row: _Row) -> Recipient:
    values = row.model_dump()
    return Recipient(is_enabled=values.pop("enabled"), **values)


def _across_rows(found: list[Recipient]) -> list[str]:
    ids = Counter(recipient.id for recipient in found)
    mistakes = [f"the id {each!r} is used {n} times" for each, n in ids.items() if n > 1]
    mistakes += [
        f"{recipient.id}: superseded_by names {recipient.superseded_by!r}, which is not here"
        for recipient in found
        if recipient.superseded_by is not None and recipient.superseded_by not in ids
    ]
    heirs = {recipient.id: recipient.superseded_by for recipient in found}
    mistakes += [
        f"{each}: superseded_by leads back to it" for each in heirs if _returns(each, heirs)
    ]
    return mistakes


def _returns(start: str, heirs: Mapping[str, str | None]) -> bool:
    """Whether the line of heirs comes back to where it began."""
    heir, seen = heirs[start], set[str]()
    while heir is not None and heir not in seen:
        if heir == start:
            return True
        seen.add(heir)
        heir = heirs.get(heir)
    return False


def _name_of(row: object) -> str:
    return str(row.get("id", "no id")) if isinstance(row, dict) else "not a table"


def _listed(problem: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in error['loc']) or 'row'}: {error['msg']}"
        for error in problem.errors()
    ]


def _refused(file: Path, why: str) -> SettingsError:
    return SettingsError(
        f"The recipients in {file} cannot be used.",
        why=why,
        remedy="Compare the named rows with the comments in config/recipients.toml.",
    )
