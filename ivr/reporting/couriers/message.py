"""A report as an RFC 5322 message with the case's files attached, each checked on the way."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ivr.errors import DeliveryError
from ivr.facts.reports import Attachment, Report
from ivr.reporting.postscript import Postscript

NO_LINKS = Postscript()
_MEDIA_TYPE = re.compile(r"([a-z0-9][a-z0-9!#$&^_.+-]*)/([a-z0-9][a-z0-9!#$&^_.+-]*)")


class _MailPolicy(EmailPolicy):
    """``email.policy.SMTP``, but subjects keep their spaces.

    The library's folding of RFC 2047 words loses a space between two of them (seen in CPython
    3.11.7 with Vietnamese subjects); `email.header.Header` does not.
    """

    def fold(self, name: str, value: str) -> str:
        if name.lower() != "subject":
            folded: str = super().fold(name, value)
            return folded
        encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {encoded}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() != "subject":
            return super().fold_binary(name, value)
        return self.fold(name, value).encode("ascii")


# 76: the longest line of quoted-printable (RFC 2045); the library would fill it to 78.
_POLICY = _MailPolicy(linesep="\r\n", max_line_length=76)


def message_id(report: Report, sender: str) -> str:
    """The same for every attempt, so a mail system that looks can tell a repetition."""
    return f"<{report.report_id[:40]}@{sender.rpartition('@')[2] or 'localhost'}>"


def build_message(
    report: Report,
    case_path: Path,
    sender: str,
    moment: datetime,
    postscript: Postscript = NO_LINKS,
) -> EmailMessage:
    """The whole message; reads every attachment (blocking: call it in a thread).

    Args:
        case_path: the sealed case folder.
        sender: From address.
        moment: for the Date header, and the beginning of links.
        postscript: says where files are that the mail does not carry.

    Raises:
        DeliveryError: an attachment is missing or is not what was sealed; never retried.
    """
    attached = [each for each in report.attachments if not each.is_linked]
    files = [(each, read_attachment(case_path, each)) for each in attached]
    message = _headed(report, sender, moment)
    text = report.body + postscript.text(report, moment)
    message.set_content(text, cte="quoted-printable")
    names = _file_names(attached)
    for (attachment, data), name in zip(files, names, strict=True):
        found = _MEDIA_TYPE.fullmatch(attachment.media_type)
        kind, subtype = found.groups() if found else ("application", "octet-stream")
        message.add_attachment(data, maintype=kind, subtype=subtype, filename=name)
    return message


def _headed(report: Report, sender: str, moment: datetime) -> EmailMessage:
    """An empty message with its headers."""
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = sender
        message["To"] = report.address
        message["Subject"] = report.subject
    except (ValueError, IndexError) as problem:  # what the header parser raises for broken text
        raise DeliveryError(
            "The report has a header that mail cannot carry.",
            why=str(problem),
            remedy="Check smtp.sender and the recipient's address, then retry the report.",
            is_retryable=False,
        ) from problem
    message["Date"] = format_datetime(moment)
    message["Message-ID"] = message_id(report, sender)
    message["X-IVR-Report-Id"] = report.report_id
    message["X-IVR-Case-Id"] = report.case_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices back to us
    return message


def read_attachment(case_path: Path, attachment: Attachment) -> bytes:
    """The file's bytes, if they are those that were sealed; raises like `opened`."""
    with opened(case_path, attachment) as file:
        return file.read()


@contextmanager
def opened(case_path: Path, attachment: Attachment) -> Iterator[BinaryIO]:
    """A file of a case on its way out, at its beginning: the one place where any is opened for
    sending. What is read is what was checked, for it is read from the same open file.

    Args:
        case_path: the readable case folder.

    Raises:
        DeliveryError: missing, outside the case folder, or changed since the seal.
    """
    inside = PurePosixPath(attachment.path)
    if inside.is_absolute() or ".." in inside.parts:
        raise _unusable(attachment, "it lies outside the case folder")
    try:
        file = (case_path / inside).open("rb")
    except OSError as problem:
        raise _unusable(attachment, problem.strerror or str(problem)) from problem
    with file:
        if hashlib.file_digest(file, "sha256").hexdigest() != attachment.sha256:
            raise _unusable(attachment, "its SHA-256 is not the sealed one")
        file.seek(0)
        yield file


def _unusable(attachment: Attachment, why: str) -> DeliveryError:
    return DeliveryError(
        f"The file {attachment.path} cannot be sent with the report.",
        why=why,
        remedy="Run `ivr verify` on the case; put back its files from the second copy, then retry.",
        is_retryable=False,
    )


def _file_names(attachments: Sequence[Attachment]) -> list[str]:
    """Base names; where two would clash, the whole path with dashes."""
    bases = [PurePosixPath(each.path).name for each in attachments]
    return [
        base if bases.count(base) == 1 else each.path.replace("/", "-")
        for each, base in zip(attachments, bases, strict=True)
    ]
