"""Signed links by which a recipient fetches a recording that is too large for a mail.

A link names case, recipient, report, the file's SHA-256 and when it ends, under an HMAC with a
secret of this installation. It is the whole permission: nothing is kept for it, and replacing the
secret ends every link at once. Not the site's signing key: that may lie on a token that asks for a
person, and should sign evidence alone.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ivr.errors import EnvironmentProblem
from ivr.facts.reports import Attachment, Report
from ivr.settings import LinkSettings

PREFIX: Final = "/t/"
_CONTEXT: Final = b"ivr-link/1\n"
_KEY_BYTES: Final = 32
_REPORT_DIGITS: Final = 16
_TOKEN: Final = re.compile(
    r"(?P<case>[0-9A-Za-z-]{1,64})\.(?P<recipient>[a-z0-9][a-z0-9_-]{0,63})"
    r"\.(?P<report>[0-9a-f]{16})\.(?P<digest>[0-9a-f]{64})\.(?P<ends>[1-9][0-9]{0,11})"
    r"\.(?P<mac>[A-Za-z0-9_-]{43})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a link permits, and to whom.

    Args:
        report: first 16 digits of the report's id.
        sha256: of the file, hex.
        ends_at: whole seconds.
    """

    case_id: str
    recipient_id: str
    report: str
    sha256: str
    ends_at: datetime

    @property
    def payload(self) -> str:
        ends = int(self.ends_at.timestamp())
        return f"{self.case_id}.{self.recipient_id}.{self.report}.{self.sha256}.{ends}"

    @property
    def name(self) -> str:
        """Names the link in custody without giving it away."""
        return hashlib.sha256(self.payload.encode()).hexdigest()[:16]


def token_of(link: Link, key: bytes) -> str:
    """One path segment, of letters that need no escape."""
    return f"{link.payload}.{_mac(link.payload, key)}"


def read_token(token: str, key: bytes) -> Link | None:
    """The link, whether or not it has ended; None: it was not made with this key."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    payload, _, mac = token.rpartition(".")
    if not hmac.compare_digest(mac, _mac(payload, key)):
        return None
    return Link(
        found["case"],
        found["recipient"],
        found["report"],
        found["digest"],
        datetime.fromtimestamp(int(found["ends"]), UTC),
    )


def _mac(payload: str, key: bytes) -> str:
    made = hmac.digest(key, _CONTEXT + payload.encode(), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


class LinkMaker:
    """Links under this installation's address."""

    def __init__(self, settings: LinkSettings, key: bytes) -> None:
        self._settings, self._key = settings, key

    def ends_at(self, moment: datetime) -> datetime:
        """When a link made now ends."""
        return moment.replace(microsecond=0) + timedelta(days=self._settings.days)

    def url(self, report: Report, attachment: Attachment, moment: datetime) -> str:
        link = Link(
            report.case_id,
            report.recipient_id,
            report.report_id[:_REPORT_DIGITS],
            attachment.sha256,
            self.ends_at(moment),
        )
        return self._settings.base_url.rstrip("/") + PREFIX + token_of(link, self._key)


def key_file(root: Path) -> Path:
    """Where the secret of the links lies in a data folder."""
    return root / "keys" / "links.key"


def open_key(file: Path) -> bytes:
    """The secret; made at the first call, by whichever process is first.

    Raises:
        EnvironmentProblem: it cannot be read or made, others may read it, or it is no secret.
    """
    try:
        if not file.exists():
            _make_key(file)
        if file.stat().st_mode & 0o077:
            raise _unusable(file, "others on this machine may read it", f"`chmod 600 {file}`")
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except OSError as problem:
        remedy = "Give this user write permission in the data folder."
        raise _unusable(file, problem.strerror or str(problem), remedy) from problem
    except ValueError as problem:
        remedy = "Remove it: another is made, and links sent so far end."
        raise _unusable(file, str(problem), remedy) from problem
    if len(key) != _KEY_BYTES:
        remedy = "Remove it: another is made, and links sent so far end."
        raise _unusable(file, f"it has {len(key)} bytes, not {_KEY_BYTES}", remedy)
    return key


def _make_key(file: Path) -> None:
    """Whole or not at all; a key that another process made meanwhile stays."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(secrets.token_bytes(_KEY_BYTES).hex() + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            file.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _unusable(file: Path, why: str, remedy: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The secret of the links ({file}) cannot be used.", why=why, remedy=remedy
    )
