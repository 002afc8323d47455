"""A sealed case read back as facts: what ``cases show``, filing and recovery work from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from ivr.errors import EvidenceError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.journal import JOURNAL
from ivr.evidence.layout import COMMIT, MANIFEST, SIGNER, is_sealed, read_opened
from ivr.evidence.locked import is_locked
from ivr.facts.call import CallClosed, CallOpened
from ivr.facts.cases import CaseSealed, CaseSummary
from ivr.facts.judgement import PhraseHit, SecondOpinion, Verdict
from ivr.facts.reports import CaseFacts, CaseFile, Wish
from ivr.facts.rights import LawfulBasis
from ivr.facts.speech import Utterance

T = TypeVar("T")

VERDICT = "verdict.json"
RECOGNITION = "recognition.json"


WISHES = {
    "the subscriber reports the call": Wish.REPORT,
    "the subscriber calls it no scam": Wish.WITHDRAW,
}
"""Events of the journal that say what the subscriber wants."""

REPEATED = "the same session is recorded elsewhere"
"""Event of the journal of a mirrored call whose communication session another case holds too: a
person looks at it before anything is filed a second time."""


class Exhibit(NamedTuple):
    """Files of one recogniser's listening. ``verdict`` is the one on its transcript alone, and
    there only when two have listened."""

    transcript: str
    hits: str
    verdict: str


FIRST = Exhibit("transcript.json", "hits.json", "verdict-1.json")
SECOND = Exhibit("transcript-2.json", "hits-2.json", "verdict-2.json")

UTTERANCES_FORM = TypeAdapter(tuple[Utterance, ...])
HITS_FORM = TypeAdapter(tuple[PhraseHit, ...])
VERDICT_FORM = TypeAdapter(Verdict)


@dataclass(frozen=True, slots=True)
class RecognitionRecord:
    """Content of derived/recognition.json: what heard the call, and what it did not hear.

    Args:
        model_name, model_sha256: of the engine that heard the call live.
        second: what another engine heard after the call; None when there was no second pass.
    """

    model_name: str
    model_sha256: str
    is_demonstration_model: bool
    unheard_s: float
    engine: str = "vosk"
    second: SecondOpinion | None = None

    @property
    def leading(self) -> Exhibit:
        """The transcript that the verdict rests on."""
        return SECOND if self.second is not None and self.second.is_leading else FIRST


BASIS_FORM = TypeAdapter(LawfulBasis)
RECOGNITION_FORM = TypeAdapter(RecognitionRecord)


@dataclass(frozen=True, slots=True)
class SealedCase:
    """One sealed case as facts. ``utterances`` and ``hits`` are of the transcript that the
    verdict rests on; ``is_repeat``: another case holds the same call, too."""

    sealed: CaseSealed
    opened: CallOpened
    closed: CallClosed | None
    site: str
    duration_s: float
    utterances: tuple[Utterance, ...]
    hits: tuple[PhraseHit, ...]
    verdict: Verdict
    recognition: RecognitionRecord
    files: tuple[CaseFile, ...]
    wish: Wish = Wish.NONE
    is_repeat: bool = False
    basis: LawfulBasis | None = None

    @property
    def summary(self) -> CaseSummary:
        """The case as a row of the ledger."""
        return CaseSummary(
            case_id=self.sealed.case_id,
            mode=self.opened.mode,
            caller=self.opened.caller.number,
            opened_at=self.opened.opened_at,
            duration_s=self.duration_s,
            label=str(self.verdict.label),
            score=self.verdict.score,
            is_complete=self.sealed.is_complete,
            seal_sha256=self.sealed.seal_sha256,
            path=str(self.sealed.path),
            subscriber=self.opened.subscriber,
        )

    @property
    def facts(self) -> CaseFacts:
        """What a report may say."""
        return CaseFacts(
            case_id=self.sealed.case_id,
            mode=self.opened.mode,
            site=self.site,
            caller=self.opened.caller,
            subscriber=self.opened.subscriber,
            opened_at=self.opened.opened_at,
            duration_s=self.duration_s,
            verdict=self.verdict,
            hits=self.hits,
            utterances=self.utterances,
            files=self.files,
            seal_sha256=self.sealed.seal_sha256,
            model_name=self.recognition.model_name,
            is_demonstration_model=self.recognition.is_demonstration_model,
            is_complete=self.sealed.is_complete,
            unheard_s=self.recognition.unheard_s,
            second=self.recognition.second,
            wish=self.wish,
            basis=self.basis,
        )


def read_case(path: Path) -> SealedCase:
    """Read a sealed case. It is not verified here: that is `ivr verify`.

    Raises:
        EvidenceError: not a sealed case, or a file in it cannot be read.
    """
    if not is_sealed(path):
        raise EvidenceError(
            f"{path.name} is not a sealed case.",
            why="it has no manifest.jws",
            remedy="`ivr recover` seals what a killed process left; `ivr cases list` shows cases.",
        )
    if is_locked(path):
        raise EvidenceError(
            f"The case {path.name} is encrypted.",
            why="it was read without being opened",
            remedy="This is a mistake in the program; please report it.",
        )
    try:
        raw = (path / MANIFEST).read_bytes()
        manifest: dict[str, Any] = json.loads(raw)
        end = manifest["end"]
        closed = None if end is None else TypeAdapter(CallClosed).validate_python(end)
        recognition = _derived(path, RECOGNITION, RECOGNITION_FORM)
        events = _events(path)
        return SealedCase(
            sealed=CaseSealed(
                case_id=str(manifest["case_id"]),
                path=path,
                seal_sha256=sha256_hex(raw),
                sealed_at=datetime.fromisoformat(manifest["times"]["sealed_at"]),
                is_complete=bool(manifest["is_complete"]),
            ),
            opened=read_opened(path).call,
            closed=closed,
            site=str(manifest["site"]),
            duration_s=closed.duration_s if closed else _longest_leg_s(manifest),
            utterances=_derived(path, recognition.leading.transcript, UTTERANCES_FORM),
            hits=_derived(path, recognition.leading.hits, HITS_FORM),
            verdict=_derived(path, VERDICT, VERDICT_FORM),
            recognition=recognition,
            files=(
                *(
                    CaseFile(entry["path"], entry["size"], entry["sha256"], entry["media_type"])
                    for entry in manifest["files"]
                ),
                _seal_file(path, COMMIT, "application/jose+json"),
                _seal_file(path, SIGNER, "application/x-pem-file"),
            ),
            wish=_wish(events),
            is_repeat=REPEATED in events,
            basis=BASIS_FORM.validate_python(manifest["lawful_basis"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as problem:
        raise _unreadable(path, problem) from problem


def transcript_of(path: Path, exhibit: Exhibit) -> tuple[Utterance, ...]:
    """What one recogniser heard, whichever the verdict rests on.

    Raises:
        EvidenceError: there is no such transcript, or it cannot be read.
    """
    try:
        return _derived(path, exhibit.transcript, UTTERANCES_FORM)
    except (OSError, ValidationError) as problem:
        raise _unreadable(path, problem) from problem


def verdict_alone(path: Path, exhibit: Exhibit) -> Verdict:
    """The verdict on one recogniser's transcript alone, of a case that two have heard.

    Raises:
        EvidenceError: there is none, or it cannot be read.
    """
    try:
        return _derived(path, exhibit.verdict, VERDICT_FORM)
    except (OSError, ValidationError) as problem:
        raise _unreadable(path, problem) from problem


def _unreadable(path: Path, problem: Exception) -> EvidenceError:
    return EvidenceError(
        f"The case {path.name} cannot be read.",
        why=f"{type(problem).__name__}: {problem}",
        remedy=f"Run `ivr verify {path}` to see which file is not what was sealed.",
    )


def _seal_file(path: Path, name: str, media_type: str) -> CaseFile:
    """A file of the seal itself, which the manifest cannot list."""
    content = (path / name).read_bytes()
    return CaseFile(name, len(content), sha256_hex(content), media_type)


def _derived(path: Path, name: str, form: TypeAdapter[T]) -> T:
    return form.validate_json((path / "derived" / name).read_bytes())


def _events(path: Path) -> tuple[str, ...]:
    """What the journal tells, in order."""
    lines = (path / JOURNAL).read_text(encoding="utf-8").splitlines()
    return tuple(str(json.loads(line)["event"]) for line in lines)


def _wish(events: Sequence[str]) -> Wish:
    """The subscriber's last word."""
    said = [WISHES.get(event) for event in events]
    return next((wish for wish in reversed(said) if wish is not None), Wish.NONE)


def _longest_leg_s(manifest: dict[str, Any]) -> float:
    ends = [leg["start_s"] + leg["samples"] / leg["rate_hz"] for leg in manifest["legs"]]
    return max(ends, default=0.0)
