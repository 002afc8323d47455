"""A copy of a case's recordings and words in which chosen spans are silent and masked.

What is silenced is silenced on every leg: in a bridged call one side's voice is on the other
side's leg, too. The sealed case is only read, but for its custody log.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ivr import casefile
from ivr.casefile import FIRST, SECOND, SealedCase, read_case, transcript_of
from ivr.casework.entering import enter_custody
from ivr.clock import to_iso
from ivr.errors import EvidenceError, UsageError
from ivr.evidence.bag import must_be_free
from ivr.evidence.canonical import canonical, plain, sha256_hex
from ivr.evidence.custody import Custodian, CustodyAction
from ivr.evidence.durable import sha256_file, sync_file, sync_folder, write_atomic
from ivr.evidence.layout import DERIVED, MANIFEST, SIGNER
from ivr.evidence.software import running_software
from ivr.evidence.verification import verification_steps
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.media.silencing import write_silenced
from ivr.spotting.read_numbers import read_numbers

FORMAT = "ivr-redaction/1"
LIST, SIGNATURE = "redaction.json", "redaction.jws"
PURPOSE = "ivr-redaction"
LEAST_DIGITS = 6
MARGIN_S = 0.3
"""Silenced before and after a number: recognisers time words to about a tenth of a second."""
MASK = "███"
CALL = "call.wav"
NOTICE = (
    "Bản sao đã che bớt, không phải bản gốc. Các đoạn tự động dựa vào máy nhận dạng: phải nghe lại "
    "trước khi giao. / A redacted copy, not the original. Automatic spans rest on what a "
    "recogniser heard: listen before handing over."
)


@dataclass(frozen=True, slots=True)
class Span:
    """What a person wants silenced; seconds on the leg's clock, as `ivr cases show` prints."""

    leg: LegName
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Silenced:
    """A silenced span; seconds from the wire log's first packet, on every leg."""

    start_s: float
    end_s: float
    leg: LegName
    why: str


@dataclass(frozen=True, slots=True)
class Redacted:
    """A redacted copy that was written."""

    path: Path
    spans: tuple[Silenced, ...]
    files: int
    list_sha256: str


def redact(
    path: Path,
    target: Path,
    spans: Sequence[Span],
    custodian: Custodian,
    *,
    is_automatic: bool,
    actor: str,
    reason: str,
) -> Redacted:
    """Write the copy into ``target``, whole or not at all; entered into custody before.

    Args:
        is_automatic: silence numbers of `LEAST_DIGITS` digits and more, too.

    Raises:
        UsageError: a span names a leg that was not recorded, or nothing is to be silenced.
        EvidenceError: not a sealed case, not as it was sealed, target taken, or the disk refused.
        MediaError: a recording cannot be copied.
    """
    must_be_free(target, path)
    _must_be_as_sealed(path)
    case = read_case(path)
    manifest: dict[str, Any] = json.loads((path / MANIFEST).read_bytes())
    begins = {LegName(leg["leg"]): float(leg["start_s"]) for leg in manifest["legs"]}
    signer, words = custodian.signer, _transcripts(case)
    silenced = _to_silence(spans, words if is_automatic else {}, begins)
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        draft.mkdir(mode=0o700, parents=True)
        files = [
            *_sound(path, draft, silenced, begins),
            *_words(path, draft, words, silenced, begins),
        ]
        listed = canonical(
            {
                "format": FORMAT,
                "notice": NOTICE,
                "case_id": case.sealed.case_id,
                "seal_sha256": case.sealed.seal_sha256,
                "at": to_iso(custodian.clock.now()),
                "actor": actor,
                "reason": reason,
                "spans": plain(silenced),
                "files": files,
                "software": plain(running_software()),
            }
        )
        write_atomic(draft / LIST, listed)
        write_atomic(draft / SIGNATURE, canonical(signer.sign(listed, PURPOSE)))
        write_atomic(draft / SIGNER, signer.public_pem)
        enter_custody(
            path,
            CustodyAction.EXPORTED,
            custodian,
            actor=actor,
            reason=reason,
            facts={"format": "redacted", "list_sha256": sha256_hex(listed)},
        )
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as problem:
        raise EvidenceError(
            f"The redacted copy {target} could not be written.",
            why=problem.strerror or str(problem),
            remedy="Check free space and permissions there; the case itself is untouched.",
        ) from problem
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Redacted(target, silenced, len(files), sha256_hex(listed))


def _must_be_as_sealed(path: Path) -> None:
    failed = [f"{step.name}: {step.detail}" for step in verification_steps(path) if not step.ok]
    if failed:
        raise EvidenceError(
            f"The case {path.name} is not as it was sealed and was not copied.",
            why="; ".join(failed),
            remedy=f"Run `ivr verify {path}` and compare the case with a copy.",
        )


def _transcripts(case: SealedCase) -> dict[str, tuple[Utterance, ...]]:
    """Words by file, of every engine that heard the call."""
    second = case.recognition.second
    has_two = second is not None and second.verdict is not None
    exhibits = (FIRST, SECOND) if has_two else (FIRST,)
    return {each.transcript: transcript_of(case.sealed.path, each) for each in exhibits}


def _to_silence(
    spans: Sequence[Span],
    words: Mapping[str, Sequence[Utterance]],
    begins: Mapping[LegName, float],
) -> tuple[Silenced, ...]:
    """By hand and, from the ``words``, by itself; in order of time."""
    unknown = sorted({span.leg.value for span in spans} - {leg.value for leg in begins})
    if unknown:
        raise UsageError(
            f"There is no leg {', '.join(unknown)} in this case.",
            why=f"recorded are {', '.join(leg.value for leg in begins) or 'none'}",
            remedy="`ivr cases show` prints the leg before each line.",
        )
    found = {
        Silenced(begins[s.leg] + s.start_s, begins[s.leg] + s.end_s, s.leg, "by hand")
        for s in spans
    }
    for name, heard in words.items():
        for number in read_numbers(heard, LEAST_DIGITS):
            begin_s = begins.get(number.leg, 0.0)
            start_s = round(max(0.0, begin_s + number.start_s - MARGIN_S), 3)
            end_s = round(begin_s + number.end_s + MARGIN_S, 3)
            why = f"a number of {number.digits} digits is read ({name})"
            found.add(Silenced(start_s, end_s, number.leg, why))
    if not found:
        raise UsageError(
            "There is nothing to silence.",
            why=f"no number of {LEAST_DIGITS} digits or more was recognised, no span was named",
            remedy="Name spans with --span LEG:START-END, or use `ivr export` for a whole copy.",
        )
    return tuple(sorted(found, key=lambda span: (span.start_s, span.end_s, span.leg, span.why)))


def _sound(
    path: Path, into: Path, silenced: Sequence[Silenced], begins: Mapping[LegName, float]
) -> list[dict[str, Any]]:
    """Every recording with silence in it."""
    files = []
    for source in sorted((path / DERIVED).glob("*.wav")):
        begin_s = 0.0 if source.name == CALL else begins[LegName(source.stem)]
        spans = [(span.start_s - begin_s, span.end_s - begin_s) for span in silenced]
        copy = into / source.name
        seconds = write_silenced(source, copy, spans)
        sync_file(copy)
        files.append(_entry(copy, source, f"{seconds:.2f} s silenced"))
    return files


def _words(
    path: Path,
    into: Path,
    words: Mapping[str, Sequence[Utterance]],
    silenced: Sequence[Silenced],
    begins: Mapping[LegName, float],
) -> list[dict[str, Any]]:
    """Every transcript with each word masked that touches a silenced span."""
    files = []
    for name, utterances in words.items():
        count = 0
        masked = []
        for utterance in utterances:
            begin_s = begins.get(utterance.leg, 0.0)
            kept = tuple(_masked(word, begin_s, silenced) for word in utterance.words)
            count += sum(word.text == MASK for word in kept)
            masked.append(replace(utterance, words=kept))
        copy = into / name
        write_atomic(copy, casefile.UTTERANCES_FORM.dump_json(tuple(masked), indent=1))
        files.append(_entry(copy, path / DERIVED / name, f"{count} words masked"))
    return files


def _masked(word: Word, begin_s: float, silenced: Sequence[Silenced]) -> Word:
    start_s, end_s = begin_s + word.start_s, begin_s + word.end_s
    is_hidden = any(start_s < span.end_s and end_s > span.start_s for span in silenced)
    return replace(word, text=MASK) if is_hidden else word


def _entry(copy: Path, parent: Path, change: str) -> dict[str, Any]:
    digest, size = sha256_file(copy)
    return {
        "path": copy.name,
        "size": size,
        "sha256": digest,
        "parent": f"{DERIVED}/{parent.name}",
        "parent_sha256": sha256_file(parent)[0],
        "change": change,
    }
