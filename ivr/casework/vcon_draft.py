"""A vCon while it is put together: the same arrays in the same order whatever is left out."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ivr.casefile import SealedCase
from ivr.casework import vcon_mapping as mapping
from ivr.casework.vcon_redacted import RedactedCopy
from ivr.clock import to_iso
from ivr.errors import EvidenceError
from ivr.evidence.durable import copy_atomic
from ivr.evidence.journal import JOURNAL
from ivr.evidence.layout import (
    COMMIT,
    CUSTODY,
    CUSTODY_HEAD,
    INVITE,
    MANIFEST,
    OPENED,
    SIGNER,
    WIRE,
)
from ivr.evidence.software import running_software
from ivr.evidence.vcon import SYNTAX, Analysis, Attachment, Dialog, Reference, VCon
from ivr.evidence.vcon_signed import content_hash, date_of, inline
from ivr.facts.call import Blame, LegName

MOST_INLINE: Final = 320 << 20
"""Bytes that are put into one file; an hour of a call with its packets has some 210 MB."""
SEAL: Final = (MANIFEST, COMMIT, SIGNER, CUSTODY, CUSTODY_HEAD)
STAMPS: Final = ("reports/manifest.jws.tsr", "reports/manifest.jws.tsr.ca.pem")
NAMES_CALLEE: Final = frozenset({MANIFEST, OPENED, JOURNAL, INVITE})
"""Files that name the callee, or an address of theirs, whatever they hold besides."""


@dataclass(frozen=True, slots=True)
class VconWish:
    """What is wanted.

    Args:
        is_external: sound and packets as files beside the vCon, named by address and hash.
        base_url: where these will be served; empty: an address that leads nowhere (RFC 2606).
        is_callee_named: otherwise every file that holds the callee's number is left out.
        redacted: a copy by `ivr redact`, to be handed over in place of the case.
    """

    is_external: bool = False
    base_url: str = ""
    is_callee_named: bool = True
    redacted: Path | None = None


@dataclass(slots=True)
class Draft:
    """See `finish`. What is left out has an empty placeholder in its array (4.1.8).

    ``beside``: names of the files that lie beside the vCon; ``left_out``: paths in the case.
    """

    case: SealedCase
    wish: VconWish
    redacted: RedactedCopy | None
    uuid: str
    now: datetime
    beside: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _manifest: dict[str, Any] = field(init=False)
    _sounds: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._manifest = json.loads((self.case.sealed.path / MANIFEST).read_bytes())
        self._sounds = mapping.recordings_of(self._manifest["files"])

    @property
    def is_full(self) -> bool:
        return self.wish.is_callee_named and self.redacted is None

    def must_fit(self) -> None:
        """Raises EvidenceError when the vCon would be larger than anybody can read at once."""
        inside = sum(
            int(entry["size"])
            for entry in self._manifest["files"]
            if self._is_carried(entry["path"]) and not self._goes_beside(entry["path"])
        )
        if inside > MOST_INLINE:
            raise EvidenceError(
                f"The case {self.case.sealed.case_id} is too large for one JSON file.",
                why=f"{inside} bytes would be inline, the most is {MOST_INLINE}",
                remedy="Use --external: sound and packets then lie beside the vCon.",
            )

    def finish(self, folder: Path, more: Mapping[str, bytes]) -> VCon:
        """The unsigned form; files that go beside it are copied into ``folder``.

        Args:
            more: further files to attach, e.g. the proof of inclusion.
        """
        case, manifest = self.case, self._manifest
        legs = tuple(LegName(leg["leg"]) for leg in manifest["legs"]) or case.opened.legs
        is_named = self.wish.is_callee_named
        parties = mapping.parties_of(case.opened, legs, case.site, is_named=is_named)
        dialog = self._dialog(folder, legs, parties)
        analysis, attachments = [], []
        made_at, keeper = date_of(to_iso(self.now)), parties.keeper
        spoken = [n for n, each in enumerate(dialog) if each.type == "recording"]
        program = f"ivr {running_software().version}"
        for name, start in self._others(made_at):
            content = self._content(folder, name)
            kind = mapping.analysis_of(name, case, program)
            if kind is not None:
                analysis.append(Analysis.model_validate({**kind, "dialog": spoken, **content}))
            else:
                attachments.append(_attachment(name, start, keeper, content))
        papers = self.redacted.papers if self.redacted else {}
        for name, data in {**more, **papers}.items():
            content = {"mediatype": mapping.media_type_of(name), "filename": name, **inline(data)}
            attachments.append(_attachment(name, made_at, keeper, content))
        return VCon(
            vcon=SYNTAX,
            uuid=self.uuid,
            created_at=made_at,
            updated_at=made_at,
            subject=f"ivr case {case.sealed.case_id}",
            parties=[*parties.objects],
            dialog=dialog,
            analysis=analysis,
            attachments=attachments,
        )

    def less_redacted(self, full: str | None) -> Reference | None:
        """What this one was made from.

        Args:
            full: UUID of the last full vCon of the case, if there was one.
        """
        if self.is_full:
            return None
        kinds = ["spoken numbers and chosen spans"] if self.redacted else []
        kinds += [] if self.wish.is_callee_named else ["number of the callee"]
        return Reference(uuid=full, type="; ".join(kinds))

    def _others(self, made_at: str) -> Iterator[tuple[str, str]]:
        """Files that are no dialog, each with the time it belongs to."""
        opened_at = date_of(to_iso(self.case.opened.opened_at))
        for entry in self._manifest["files"]:
            if entry["path"] not in self._sounds and self._is_carried(entry["path"]):
                yield entry["path"], opened_at
        for name in (*SEAL, *STAMPS):
            if self._is_carried(name):
                yield name, made_at

    def _dialog(
        self, folder: Path, legs: tuple[LegName, ...], parties: mapping.Parties
    ) -> list[Dialog]:
        case, first = self.case, (self._manifest["wire"] or {}).get("first_packet_at")
        start = date_of(first or to_iso(case.opened.opened_at))
        if not self._sounds:
            is_left = case.closed and case.closed.blame in (Blame.CALLER, Blame.CALLEE)
            why: Any = "hung-up" if is_left else "failed"
            return [Dialog(type="incomplete", start=start, parties=[0, 1], disposition=why)]
        is_set = len(self._sounds) > 1
        found = []
        for name in self._sounds:
            places = mapping.channels_of(name, legs, parties, case.opened)
            first_voice = places[0] if places and isinstance(places[0], list) else places[:1]
            source = self._source(name) or case.sealed.path / name
            found.append(
                Dialog(
                    type="recording",
                    start=start,
                    duration=round(mapping.seconds_of(source, case.duration_s), 6),
                    parties=places,
                    originator=None if 0 in first_voice else 0,
                    recording_set=len(self._sounds) if is_set else None,
                    **self._content(folder, name),
                )
            )
        if is_set:
            found.append(
                Dialog(
                    type="recording-set",
                    start=start,
                    duration=round(case.duration_s, 6),
                    parties=[*range(parties.keeper)],
                    recordings=[*range(len(found))],
                )
            )
        return found

    def _content(self, folder: Path, name: str) -> dict[str, Any]:
        """Fields of a file: inline, beside, or left out."""
        source = self._source(name)
        stated = {entry["path"]: entry["media_type"] for entry in self._manifest["files"]}
        fields: dict[str, Any] = {
            "filename": name,
            "mediatype": mapping.media_type_of(name, stated.get(name)),
        }
        if source is None:
            self.left_out.append(name)
            return fields
        if not self._goes_beside(name):
            return {**fields, **inline(source.read_bytes())}
        copy = folder / Path(name).name
        copy_atomic(source, copy, 0o600)
        self.beside.append(copy.name)
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, "sha512").digest()
        base = self.wish.base_url or f"https://{self.case.sealed.case_id.lower()}.invalid"
        url = f"{base.rstrip('/')}/{copy.name}"
        return {**fields, "url": url, "content_hash": content_hash(digest)}

    def _source(self, name: str) -> Path | None:
        """Where the bytes are; None: they are not to leave."""
        if self.redacted is not None:
            return self.redacted.file_of(name)
        path = self.case.sealed.path / name
        if self.wish.is_callee_named or name in self._sounds or name == WIRE:
            return path
        number = re.sub(r"\D", "", self.case.opened.subscriber or "")[-9:]
        is_held = number and number.encode() in path.read_bytes()
        return None if name in NAMES_CALLEE or is_held else path

    def _is_carried(self, name: str) -> bool:
        """Listening copies that are not the dialog can be made again from the packets."""
        if name in STAMPS:
            return (self.case.sealed.path / name).exists()
        return name in self._sounds or not mapping.is_derived_sound(name)

    def _goes_beside(self, name: str) -> bool:
        return self.wish.is_external and (name in self._sounds or name == WIRE)


def _attachment(name: str, start: str, keeper: int, content: dict[str, Any]) -> Attachment:
    purpose = mapping.purpose_of(name)
    return Attachment(party=keeper, start=start, dialog=0, purpose=purpose, **content)
