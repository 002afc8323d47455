"""The form of a vCon (draft-ietf-vcon-vcon-core-04): what it may hold.

A container in JSON for one conversation: who took part, what was said, what was made of it, and
files about it. The models are the border: they read what other programs wrote, and refuse what the
draft forbids. Members that they do not know are kept; the draft lets anybody add some.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from ivr.evidence.algorithms import from_b64url
from ivr.evidence.canonical import canonical

SYNTAX: Final = "0.4.0"

Index = int
Place = Index | list[Index] | None
"""A channel's parties; None: nobody is on it."""


def _date(value: str) -> str:
    """RFC 3339 with a zone."""
    if "T" not in value.upper() or datetime.fromisoformat(value).tzinfo is None:
        raise ValueError("no RFC 3339 time with its zone")
    return value


Date = Annotated[str, AfterValidator(_date)]

_HASH = re.compile(r"[a-z0-9]+-[A-Za-z0-9_-]+")
_CONTENT = {"body", "encoding", "url", "content_hash", "mediatype", "filename", "message_id"}
_TRANSFER = {
    "transferee", "transferor", "transfer_target", "original", "consultation", "target_dialog",
}  # fmt: skip
_FORBIDDEN: Final = {
    "recording": _TRANSFER | {"recordings"},
    "recording-set": _TRANSFER | _CONTENT | {"recording_set"},
    "text": _TRANSFER | {"recordings", "recording_set"},
    "incomplete": _TRANSFER | _CONTENT | {"recordings", "recording_set"},
    "transfer": _CONTENT
    | {"parties", "originator", "session_id", "party_history", "recordings", "recording_set"},
}
"""Parameters that a dialog of a type must not have (section 4.3.1.6)."""


class _Object(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True, populate_by_name=True)


class Reference(_Object):
    """A less redacted, or an earlier, vCon of the same conversation (4.1.8.1, 4.1.9.1)."""

    uuid: str | None = None
    type: str | None = None
    url: str | None = None
    content_hash: str | list[str] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.url is not None and self.content_hash is None:
            raise ValueError("url without content_hash")
        return self


class Party(_Object):
    """One who took part, or who adds to the container (4.2); may be empty."""

    tel: str | None = None
    sip: str | None = None
    stir: str | None = None
    mailto: str | None = None
    name: str | None = None
    did: str | None = None
    validation: str | None = None
    uuid: str | None = None
    type: str | None = None
    org: str | None = None
    dept: str | None = None


class Content(_Object):
    """A file, inline or elsewhere (2.3, 2.4); neither when it was taken out.

    ``encoding``: ``base64url`` of bytes, ``none`` for text as it is, ``json`` for a JSON value.
    """

    mediatype: str | None = None
    filename: str | None = None
    body: Any = None
    encoding: Literal["base64url", "json", "none"] | None = None
    url: str | None = None
    content_hash: str | list[str] | None = None

    @field_validator("content_hash")
    @classmethod
    def _are_hashes(cls, value: str | list[str] | None) -> str | list[str] | None:
        stated = [value] if isinstance(value, str) else value
        if stated is not None and not (stated and all(map(_HASH.fullmatch, stated))):
            raise ValueError("no content_hash: write algorithm, hyphen, base64url")
        return value

    @model_validator(mode="after")
    def _is_one_file(self) -> Self:
        if self.body not in (None, "") and self.encoding is None:
            raise ValueError("body without encoding")
        if self.url is not None and self.content_hash is None:
            raise ValueError("url without content_hash")
        if self.url is not None and not self.url.startswith("https://"):
            raise ValueError("url is not https")
        if self.url is not None and self.body is not None:
            raise ValueError("both body and url")
        if self.encoding in ("base64url", "none") and not isinstance(self.body, str | None):
            raise ValueError(f"a body of encoding {self.encoding} is a string")
        return self

    @property
    def is_inline(self) -> bool:
        return self.body is not None

    def content(self) -> bytes:
        """Bytes of an inline file; a JSON value in canonical form.

        Raises:
            ValueError: not inline, or not in the encoding that it states.
        """
        if not self.is_inline:
            raise ValueError("it is not inline")
        if self.encoding == "base64url":
            return from_b64url(self.body)
        return canonical(self.body) if self.encoding == "json" else str(self.body).encode()

    def hashes(self) -> tuple[str, ...]:
        """As stated; empty when there is none."""
        if self.content_hash is None:
            return ()
        return (self.content_hash,) if isinstance(self.content_hash, str) else (*self.content_hash,)


class Dialog(Content):
    """What was said: a recording, a text, or that it came to nothing (4.3)."""

    type: Literal["recording", "recording-set", "text", "transfer", "incomplete"]
    start: Date | None = None
    duration: int | float | None = Field(default=None, ge=0)
    parties: Index | list[Place] | None = None
    originator: Index | None = None
    recordings: list[Index] | None = None
    recording_set: Index | None = None
    disposition: (
        Literal["no-answer", "congestion", "failed", "busy", "hung-up", "voicemail-no-message"]
        | None
    ) = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        there = {name for name, value in self if value is not None}
        odd = sorted(there & _FORBIDDEN[self.type])
        if odd:
            raise ValueError(f"a dialog of type {self.type} must not have {', '.join(odd)}")
        if self.type == "incomplete" and self.disposition is None:
            raise ValueError("an incomplete dialog without disposition")
        if self.type == "recording-set" and self.recordings is None:
            raise ValueError("a recording-set without recordings")
        _must_have_media_type(self)
        return self


class Attachment(Content):
    """A file about the conversation (4.4). ``party`` added it, ``dialog`` is what it belongs to."""

    start: Date
    party: Index
    dialog: Index
    purpose: str | None = None

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        _must_have_media_type(self)
        return self


class Analysis(Content):
    """What a program made of the conversation (4.5)."""

    type: str
    vendor: str
    product: str | None = None
    form: str | None = Field(default=None, alias="schema")
    dialog: Index | list[Index] | None = None
    attachment: Index | list[Index] | None = None


class VCon(_Object):
    """The unsigned form (section 4)."""

    vcon: Literal["0.4.0"] | None = None
    uuid: str
    created_at: Date
    updated_at: Date | None = None
    subject: str | None = None
    extensions: list[str] | None = None
    critical: list[str] | None = None
    redacted: Reference | None = None
    amended: Reference | None = None
    parties: list[Party] = []
    dialog: list[Dialog] = []
    analysis: list[Analysis] = []
    attachments: list[Attachment] = []

    @field_validator("uuid")
    @classmethod
    def _is_uuid(cls, value: str) -> str:
        if str(UUID(value)) != value.lower():
            raise ValueError("no UUID")
        return value

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.redacted is not None and self.amended is not None:
            raise ValueError("redacted and amended exclude each other")
        if self.redacted is not None and self.redacted.type is None:
            raise ValueError("redacted without type")
        if self.amended is not None and self.amended.uuid is None and self.amended.url is None:
            raise ValueError("amended names no other vCon")
        _must_point_within("party", self._party_indices(), len(self.parties))
        _must_point_within("dialog", self._dialog_indices(), len(self.dialog))
        of_analysis = (i for each in self.analysis for i in _flat(each.attachment))
        _must_point_within("attachment", of_analysis, len(self.attachments))
        return self

    @property
    def files(self) -> Iterator[Content]:
        """Everything that may have content."""
        yield from self.dialog
        yield from self.analysis
        yield from self.attachments

    def _party_indices(self) -> Iterator[Index]:
        for dialog in self.dialog:
            yield from _flat(dialog.parties)
            yield from _flat(dialog.originator)
        yield from (attachment.party for attachment in self.attachments)

    def _dialog_indices(self) -> Iterator[Index]:
        for dialog in self.dialog:
            yield from _flat(dialog.recordings)
            yield from _flat(dialog.recording_set)
        yield from (i for each in self.analysis for i in _flat(each.dialog))
        yield from (attachment.dialog for attachment in self.attachments)


def _must_have_media_type(file: Content) -> None:
    if file.body not in (None, "") and file.mediatype is None:
        raise ValueError("body without mediatype")


def _flat(value: Place | list[Place]) -> Iterator[Index]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        yield value


def _must_point_within(kind: str, indices: Iterable[Index], length: int) -> None:
    for index in indices:
        if not 0 <= index < length:
            raise ValueError(f"{kind} {index} is named, and there are {length}")
