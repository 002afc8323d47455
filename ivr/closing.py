"""From a finished wire log to a sealed, filed case: the second half of every call's journey.

Live calls and recovered ones end here alike, so a case that a killed process left is judged and
filed by the same steps.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ivr import casefile
from ivr.board import StepDone
from ivr.casefile import RecognitionRecord, SealedCase, read_case
from ivr.errors import RecognitionError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.manifest import SealMaterials
from ivr.evidence.seal import seal
from ivr.facts.audio import Recording, WireLog
from ivr.facts.call import CallClosed, LegName
from ivr.facts.judgement import PhraseHit, Verdict
from ivr.facts.speech import MissedSpan, Utterance
from ivr.house import House
from ivr.media.g711 import Samples
from ivr.media.recordings import read_samples, write_recordings

MADE_BY = "ivr"
SPOKEN_LEGS = frozenset(LegName) - {LegName.AGENT}  # what the agent says, we know


@dataclass(frozen=True, slots=True)
class Heard:
    """What live recognition brought.

    Args:
        utterances: final utterances.
        missed: spans to listen to again; None when nothing was recognised live at all.
    """

    utterances: tuple[Utterance, ...]
    missed: tuple[MissedSpan, ...] | None


async def close_case(
    folder: CaseFolder,
    wire: WireLog | None,
    closed: CallClosed | None,
    heard: Heard,
    house: House,
    incomplete_reasons: tuple[str, ...] = (),
) -> SealedCase:
    """Decode, listen again to what was missed, judge, write, seal, file.

    Raises:
        EvidenceError: the case could not be sealed; it stays open for `ivr recover`.
        StorageError: it was sealed but not entered in the ledger; `ivr recover` enters it.
    """
    with step(folder.case_id, "decode", house):
        recordings = await _record(folder, wire)
    with step(folder.case_id, "relisten", house):
        utterances, unheard_s = await relisten(recordings, heard, house)
    with step(folder.case_id, "judge", house):
        hits, verdict = await asyncio.to_thread(judge_all, utterances, recordings, house)
    with step(folder.case_id, "seal", house):
        await asyncio.to_thread(
            _write_findings, folder, recordings, utterances, hits, verdict, unheard_s, house
        )
        materials = SealMaterials(
            wire=wire,
            closed=closed,
            recordings=recordings,
            verdict=verdict,
            model_sha256=house.mind.model.sha256,
            rulebook_sha256=verdict.rulebook_sha256,
            settings_sha256=house.settings_sha256,
            incomplete_reasons=incomplete_reasons,
        )
        sealed = await asyncio.to_thread(
            seal, folder, materials, house.signer, house.clock, house.site_log
        )
    house.board.publish(folder.case_id, verdict)
    with step(folder.case_id, "file", house):
        case = await asyncio.to_thread(read_case, sealed.path)
        await file_case(case, house)
    house.board.publish(folder.case_id, sealed)
    return case


async def file_case(case: SealedCase, house: House) -> tuple[str, ...]:
    """Enter a sealed case in the ledger with its reports, in one transaction; wake the couriers.
    A second time changes nothing. Returns the ids of reports queued now."""
    reports = await asyncio.to_thread(house.compose, house.describe(case))
    queued = await house.ledger.record_sealed_case(
        case.summary, reports, is_held=not house.settings.reporting.file_automatically
    )
    house.dispatcher.notify()
    return queued


@contextmanager
def step(case_id: str, name: str, house: House) -> Iterator[None]:
    """Tell the board how long a step took."""
    started = time.perf_counter()
    yield
    house.board.publish(case_id, StepDone(name, time.perf_counter() - started))


async def _record(folder: CaseFolder, wire: WireLog | None) -> tuple[Recording, ...]:
    if wire is None:
        return ()
    derived = folder.derived_path("call.wav").parent
    recordings = await asyncio.to_thread(write_recordings, wire, derived)
    names = [recording.path.name for recording in recordings]
    for name in [*names, "call.wav"]:
        if (derived / name).exists():
            await asyncio.to_thread(
                folder.register_derived, name, wire.sha256, "audio/wav", MADE_BY
            )
    return recordings


async def relisten(
    recordings: Sequence[Recording], heard: Heard, house: House
) -> tuple[tuple[Utterance, ...], float]:
    """Final utterances of all legs in order of time, and how many seconds nobody heard."""
    found = list(heard.utterances)
    unheard_s = 0.0
    for recording in recordings:
        if recording.leg not in SPOKEN_LEGS:
            continue
        for span in _spans(recording, heard.missed):
            samples = await asyncio.to_thread(_slice, recording, span)
            try:
                found += await house.mind.recognition.transcribe(
                    samples, recording.leg, offset=int(span.start_s * recording.rate_hz)
                )
            except RecognitionError as problem:  # the case is sealed all the same, and says so
                house.log.error("relisten.failed", **problem.as_dict())
                unheard_s += span.end_s - span.start_s
    return order(found), unheard_s


def _spans(recording: Recording, missed: tuple[MissedSpan, ...] | None) -> tuple[MissedSpan, ...]:
    if missed is None:
        end_s = recording.samples / recording.rate_hz
        return (MissedSpan(recording.leg, 0.0, end_s, "not recognised live"),) if end_s else ()
    return tuple(span for span in missed if span.leg is recording.leg)


def _slice(recording: Recording, span: MissedSpan) -> Samples:
    samples = read_samples(recording)
    return samples[int(span.start_s * recording.rate_hz) : int(span.end_s * recording.rate_hz)]


def order(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """By time, then leg; numbered anew, for spans heard again come out of turn."""
    spoken = [utterance for utterance in utterances if utterance.words and utterance.is_final]
    spoken.sort(key=lambda utterance: (utterance.words[0].start_s, utterance.leg))
    return tuple(replace(utterance, index=n) for n, utterance in enumerate(spoken))


def judge_all(
    utterances: Sequence[Utterance], recordings: Sequence[Recording], house: House
) -> tuple[tuple[PhraseHit, ...], Verdict]:
    """Spot and judge a whole call: a function of the words and the rulebook alone."""
    listener = house.mind.spotter.listen()
    for utterance in utterances:
        listener.hear(utterance)
    duration_s = max((r.samples / r.rate_hz for r in recordings), default=0.0)
    return listener.hits, house.mind.judge.judge(listener.hits, utterances, duration_s)


def _write_findings(
    folder: CaseFolder,
    recordings: Sequence[Recording],
    utterances: tuple[Utterance, ...],
    hits: tuple[PhraseHit, ...],
    verdict: Verdict,
    unheard_s: float,
    house: House,
) -> None:
    """Write what was heard, spotted and judged; each names what it was made from."""
    heard_in = tuple(
        sorted({sha256_hex(r.path.read_bytes()) for r in recordings if r.leg in SPOKEN_LEGS})
    )
    root = heard_in or (sha256_hex((folder.path / "opened.json").read_bytes()),)
    record = RecognitionRecord(
        model_name=house.mind.model.name,
        model_sha256=house.mind.model.sha256,
        is_demonstration_model=house.mind.model.is_demonstration,
        unheard_s=unheard_s,
    )
    kind = "application/json"
    made = f"{MADE_BY}, model {house.mind.model.sha256}"
    write = folder.write_derived
    write(casefile.RECOGNITION, casefile.RECOGNITION_FORM.dump_json(record), root, kind, made)
    words = casefile.UTTERANCES_FORM.dump_json(utterances, indent=1)
    transcript = write(casefile.TRANSCRIPT, words, root, kind, made)
    made = f"{MADE_BY}, rulebook {verdict.rulebook_sha256}"
    spotted = casefile.HITS_FORM.dump_json(hits, indent=1)
    found = write(casefile.HITS, spotted, transcript, kind, made)
    judged = casefile.VERDICT_FORM.dump_json(verdict, indent=1)
    write(casefile.VERDICT, judged, (found, transcript), kind, made)
