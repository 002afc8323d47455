"""A sealed case in the terms of a vCon: who were the parties, which file is dialog, analysis or
attachment. docs/vcon.md has the table."""

import re
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.casefile import RECOGNITION, SECOND, SealedCase
from ivr.evidence.layout import DERIVED, INVITE, ORIGINAL, WIRE
from ivr.evidence.vcon import Party, Place
from ivr.facts.call import OUR_VOICE, CallOpened, Identity, LegName

CALL: Final = f"{DERIVED}/call.wav"
ANONYMOUS: Final = "anonymous"
_ADDRESS = re.compile(r"<\s*(sips?:[^<>\s]+)\s*>|^\s*(sips?:[^<>\s;]+)", re.IGNORECASE)
_PASSPORT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+")
_E164 = re.compile(r"\+[0-9]{3,15}")
_NAMED = {LegName.CALLER, LegName.CALLEE, LegName.MIXED, *OUR_VOICE}
_SOUNDS: Final = {
    ".wav": "audio/x-wav", ".mp3": "audio/x-mp3", ".m4a": "audio/x-mp4", ".mp4": "audio/x-mp4",
    ".ogg": "audio/ogg",
}  # fmt: skip
"""Media types as the draft spells them (4.3.8); of other sounds the manifest's stands."""
_PAPERS: Final = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".jws": "application/jose+json",
    ".pem": "application/x-pem-file",
    ".tsr": "application/timestamp-reply",
}
_PURPOSES: Final = {
    WIRE: "original: packets as they came",
    "original/wire.chain.jsonl": "hash chain over the packets",
    INVITE: "original: INVITE as it came",
    "opened.json": "the call as it was accepted",
    "journal.jsonl": "journal of the call",
    "settings.json": "settings in force when it was opened",
    "settings.sealed.json": "settings that judged it, where they are others",
    "manifest.json": "sealed manifest of the case",
    "manifest.jws": "seal of the case",
    "signer.pem": "public key of the seal",
    "custody.jsonl": "custody of the case",
    "custody.head.jws": "signed head of the custody",
    "inclusion.json": "proof that the site's log has seal and custody",
    "keyring.jsonl": "keyring of the site",
    "redaction/redaction.json": "what was silenced and masked, and of which files",
    "redaction/redaction.jws": "signature of that list",
    "redaction/signer.pem": "public key of that signature",
    "reports/manifest.jws.tsr": "time-stamp of the seal (RFC 3161)",
}


@dataclass(frozen=True, slots=True)
class Parties:
    """Party Objects, and the index of each role.

    Args:
        of_leg: whose voice is on a leg.
        keeper: the site that keeps the case and adds the files.
    """

    objects: tuple[Party, ...]
    of_leg: Mapping[LegName, tuple[int, ...]]
    keeper: int


def parties_of(
    opened: CallOpened, legs: Sequence[LegName], site: str, *, is_named: bool
) -> Parties:
    """Caller, callee, agent, further voices, keeper; in that order, so that the originator is 0.

    Args:
        legs: those that were recorded.
        is_named: whether the callee's number may be said.
    """
    number = opened.subscriber if is_named else None
    callee = Party(tel=_tel(number)) if number else Party(name=ANONYMOUS, validation="none")
    objects = [_caller(opened), callee]
    of_leg = {LegName.CALLER: (0,), LegName.CALLEE: (1,), LegName.MIXED: (0, 1)}
    if OUR_VOICE.intersection([*opened.legs, *legs]):
        agent = Party(name="ivr", type="bot", org=site, validation="the program itself")
        of_leg |= dict.fromkeys(OUR_VOICE, (len(objects),))
        objects.append(agent)
    for leg in legs:
        if leg not in _NAMED:
            of_leg[leg] = (len(objects),)
            objects.append(Party(name=ANONYMOUS, validation="none"))
    keeper = Party(name=site, type="organization", org=site, validation="signs this vCon")
    return Parties((*objects, keeper), of_leg, len(objects))


def _caller(opened: CallOpened) -> Party:
    """What the signalling claims of the caller, and how little that proves."""
    caller = opened.caller
    if caller.number is None and caller.display is None:
        return Party(name=ANONYMOUS, validation="none")
    source = next((i for i in opened.identities if i.header == caller.source_header), None)
    passport = next(filter(None, map(_passport, opened.identities)), None)
    how = [f"{caller.source_header or 'no header'}: a claim of the signalling"]
    if passport is not None:
        flags = next(i.flags for i in opened.identities if i.header == "Identity")
        how.append(" ".join(("STIR, signature not verified", *flags)))
    if caller.flags:
        how.append(f"flags {' '.join(caller.flags)}")
    return Party(
        tel=_tel(caller.number),
        sip=_address(source),
        stir=passport,
        name=caller.display if caller.display or _tel(caller.number) else caller.number,
        validation="; ".join(how),
    )


def _tel(number: str | None) -> str | None:
    return f"tel:{number}" if number and _E164.fullmatch(number) else None


def _address(identity: Identity | None) -> str | None:
    match = _ADDRESS.search(identity.raw) if identity else None
    return (match[1] or match[2]) if match else None


def _passport(identity: Identity) -> str | None:
    """The PASSporT of an Identity header in compact form, without the header's parameters."""
    token = identity.raw.partition(";")[0].strip()
    is_one = identity.header == "Identity" and _PASSPORT.fullmatch(token)
    return token if is_one else None


def recordings_of(files: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Which files of the manifest are the dialog: the stereo recording, or the upload as it came,
    or each leg's recording; none when nothing was heard."""
    names = [str(entry["path"]) for entry in files]
    if CALL in names:
        return (CALL,)
    upload = [name for name in names if name.startswith(f"{ORIGINAL}/upload.")]
    return tuple(upload or [name for name in names if is_derived_sound(name)])


def is_derived_sound(name: str) -> bool:
    """A listening copy: it can be made again from the packets."""
    return name.startswith(f"{DERIVED}/") and name.endswith(".wav")


def channels_of(
    name: str, legs: Sequence[LegName], parties: Parties, opened: CallOpened
) -> list[Place]:
    """Parties on each channel. call.wav has the first side left, and right all others together,
    or the agent while none of them speaks (`ivr.media.recordings.write_recordings`)."""
    if name != CALL:
        leg = Path(name).stem
        if leg in set(LegName):
            return [*parties.of_leg[LegName(leg)]]
        voices = legs or [leg for leg in opened.legs if leg not in OUR_VOICE]
        return [*sorted({i for leg in voices for i in parties.of_leg.get(leg, ())})]
    others = [leg for leg in legs if leg not in OUR_VOICE]
    ours = {i for leg in legs if leg is LegName.AGENT for i in parties.of_leg[leg]}
    right = sorted(ours | {i for leg in others[1:] for i in parties.of_leg[leg]})
    return [_place(parties.of_leg[others[0]] if others else ()), _place(right)]


def _place(indices: Sequence[int]) -> Place:
    if len(indices) == 1:
        return indices[0]
    return list(indices) or None


def seconds_of(path: Path, otherwise: float) -> float:
    """Length of a WAV; of another sound what the case says of the call."""
    if path.suffix != ".wav":
        return otherwise
    try:
        with wave.open(str(path), "rb") as sound:
            return sound.getnframes() / sound.getframerate()
    except (OSError, EOFError, wave.Error):  # `ivr verify` says what is wrong with it
        return otherwise


def media_type_of(name: str, stated: str | None = None) -> str:
    suffix = Path(name).suffix.lower()
    return _SOUNDS.get(suffix) or stated or _PAPERS.get(suffix, "application/octet-stream")


def purpose_of(name: str) -> str:
    return _PURPOSES.get(name, "file of the sealed case")


def analysis_of(name: str, case: SealedCase, program: str) -> dict[str, str] | None:
    """``type``, ``vendor``, ``product`` and ``schema`` of a finding; None for any other file."""
    if not name.startswith(f"{DERIVED}/") or not name.endswith(".json"):
        return None
    stem = Path(name).stem
    kind = stem.partition("-")[0]
    if kind == "transcript":
        heard = case.recognition
        second = heard.second if Path(name).name == SECOND.transcript else None
        vendor = second.engine if second else heard.engine
        product = second.model_name if second else heard.model_name
        return {"type": kind, "vendor": vendor, "product": product, "schema": "ivr-transcript/1"}
    if kind in ("hits", "verdict") or Path(name).name == RECOGNITION:
        return {"type": "report", "vendor": "ivr", "product": program, "schema": f"ivr-{kind}/1"}
    return None
