"""From a finished wire log to a sealed, filed case: the second half of every call's journey.

Live calls and recovered ones end here alike, so a case that a killed process left is judged and
filed by the same steps.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ivr import casefile
from ivr.board import StepDone
from ivr.casefile import Exhibit, RecognitionRecord, SealedCase, read_case
from ivr.errors import RecognitionError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.manifest import SealMaterials
from ivr.evidence.seal import seal
from ivr.facts.alarms import AlarmCode
from ivr.facts.audio import Recording, WireLog
from ivr.facts.call import OUR_VOICE, CallClosed, LegName
from ivr.facts.judgement import Verdict
from ivr.facts.speech import MissedSpan, Utterance
from ivr.house import House
from ivr.journeys.second_pass import Findings, Judged, hear_again
from ivr.media.g711 import Samples
from ivr.media.recordings import read_samples, write_recordings
from ivr.ports import Listener
from ivr.recognition.client import Recognition
from ivr.recognition.model import ModelInfo
from ivr.settings.record import settings_record

MADE_BY = "ivr"
JSON_TYPE = "application/json"
SPOKEN_LEGS = frozenset(LegName) - OUR_VOICE  # what we say, we know


@dataclass(frozen=True, slots=True)
class Heard:
    """What live recognition brought.

    Args:
        utterances: final utterances.
        missed: spans to listen to again; None when nothing was recognised live at all.
        listener: has heard exactly those of ``utterances`` that have words, numbered from 0 in
            this order, and no partial words; spares spotting them again when they are all that was
            said, and in order of time.
    """

    utterances: tuple[Utterance, ...]
    missed: tuple[MissedSpan, ...] | None
    listener: Listener | None = None


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
        is_all = utterances == _numbered(u for u in heard.utterances if u.words)
        first = await asyncio.to_thread(
            judge_all,
            utterances,
            recordings,
            house.mind.model,
            house,
            heard.listener if is_all else None,
        )
    if house.mind.second is None:
        findings = Findings(first, None, None, first.verdict)
    else:
        with step(folder.case_id, "second pass", house):
            findings = await listen_again(first, recordings, house.mind.second, house)
    verdict = findings.verdict
    with step(folder.case_id, "seal", house):
        await asyncio.to_thread(_write_findings, folder, recordings, findings, unheard_s)
        materials = SealMaterials(
            wire=wire,
            closed=closed,
            recordings=recordings,
            verdict=verdict,
            model_sha256=findings.leading.model.sha256,
            rulebook_sha256=verdict.rulebook_sha256,
            scorer_sha256=verdict.scorer_sha256 or None,
            settings_sha256=house.settings_sha256,
            settings=settings_record(house.settings),
            incomplete_reasons=incomplete_reasons,
        )
        sealed = await asyncio.to_thread(
            seal, folder, materials, house.signer, house.clock, house.site_log
        )
    house.board.publish(folder.case_id, verdict)
    with step(folder.case_id, "file", house):
        case = await asyncio.to_thread(read_case, sealed.path)
        count(case, house)
        await file_case(case, house)
    house.board.publish(folder.case_id, sealed)
    return case


def count(case: SealedCase, house: House) -> None:
    """Into the metrics; a case that could not be sealed before is no alarm any more."""
    told = case.summary
    outcome = "sealed" if told.is_complete else "incomplete"
    house.metrics.calls.labels(told.mode.value, outcome).inc()
    house.metrics.verdicts.labels(told.mode.value, case.verdict.label.value).inc()
    house.alarms.clear(AlarmCode.CASE_UNSEALED, told.case_id)


async def file_case(case: SealedCase, house: House) -> tuple[str, ...]:
    """Enter a sealed case in the ledger with its reports, in one transaction; wake the couriers.
    A second time changes nothing. Returns the ids of reports queued now."""
    reports = await asyncio.to_thread(house.compose, house.describe(case))
    is_held = case.is_repeat or not house.settings.reporting.file_automatically
    queued = await house.ledger.record_sealed_case(case.summary, reports, is_held=is_held)
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
    return order(found, recordings), unheard_s


def _spans(recording: Recording, missed: tuple[MissedSpan, ...] | None) -> tuple[MissedSpan, ...]:
    if missed is None:
        end_s = recording.samples / recording.rate_hz
        return (MissedSpan(recording.leg, 0.0, end_s, "not recognised live"),) if end_s else ()
    return tuple(span for span in missed if span.leg is recording.leg)


def _slice(recording: Recording, span: MissedSpan) -> Samples:
    samples = read_samples(recording)
    return samples[int(span.start_s * recording.rate_hz) : int(span.end_s * recording.rate_hz)]


def order(
    utterances: Sequence[Utterance], recordings: Sequence[Recording] = ()
) -> tuple[Utterance, ...]:
    """By time of the call, then leg; numbered anew, for spans heard again come out of turn.

    Words are timed on their own leg's clock; a leg that joined later begins later in the call.
    """
    begin_s = {recording.leg: recording.start_s for recording in recordings}
    spoken = [utterance for utterance in utterances if utterance.words and utterance.is_final]
    spoken.sort(key=lambda one: (begin_s.get(one.leg, 0.0) + one.words[0].start_s, one.leg))
    return _numbered(spoken)


def _numbered(utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
    return tuple(replace(utterance, index=n) for n, utterance in enumerate(utterances))


def judge_all(
    utterances: tuple[Utterance, ...],
    recordings: Sequence[Recording],
    model: ModelInfo,
    house: House,
    has_heard: Listener | None = None,
) -> Judged:
    """Spot and judge a whole call: a function of the words and the rulebook alone.

    Args:
        has_heard: has heard these very utterances in this order, while the call ran.
    """
    listener = has_heard or house.mind.spotter.listen()
    for utterance in () if has_heard else utterances:
        listener.hear(utterance)
    duration_s = max((r.samples / r.rate_hz for r in recordings), default=0.0)
    verdict = house.mind.judge.judge(listener.hits, utterances, duration_s)
    return Judged(model, utterances, listener.hits, verdict)


async def listen_again(
    first: Judged, recordings: Sequence[Recording], second: Recognition, house: House
) -> Findings:
    """The second pass over every spoken leg, and what both transcripts say together."""
    model = second.model_info

    async def listen() -> Judged:
        found: list[Utterance] = []
        for recording in recordings:
            if recording.leg in SPOKEN_LEGS:
                samples = await asyncio.to_thread(read_samples, recording)
                found += await second.transcribe(samples, recording.leg)
        return await asyncio.to_thread(
            judge_all, order(found, recordings), recordings, model, house
        )

    settings = house.settings
    return await hear_again(
        first,
        model,
        listen,
        settings.verdict.filing_threshold,
        settings.recognition.second_pass_max_s,
        house.log,
    )


def _write_findings(
    folder: CaseFolder, recordings: Sequence[Recording], findings: Findings, unheard_s: float
) -> None:
    """Write what was heard, spotted and judged; each names what it was made from."""
    spoken = {f"derived/{r.path.name}" for r in recordings if r.leg in SPOKEN_LEGS}
    heard_in = tuple(sorted({file.sha256 for file in folder.derived if file.path in spoken}))
    root = heard_in or (sha256_hex((folder.path / "opened.json").read_bytes()),)
    first, second = findings.first, findings.second
    record = RecognitionRecord(
        model_name=first.model.name,
        model_sha256=first.model.sha256,
        is_demonstration_model=first.model.is_demonstration,
        unheard_s=unheard_s,
        engine=first.model.engine,
        second=findings.opinion,
    )
    made = f"{MADE_BY}, model {first.model.sha256}"
    content = casefile.RECOGNITION_FORM.dump_json(record)
    folder.write_derived(casefile.RECOGNITION, content, root, JSON_TYPE, made)
    parents = _write_transcript(folder, casefile.FIRST, first, root)
    if second is not None:
        parents += _write_transcript(folder, casefile.SECOND, second, root)
        for exhibit, judged in ((casefile.FIRST, first), (casefile.SECOND, second)):
            _write_verdict(folder, exhibit.verdict, judged.verdict, parents)
    _write_verdict(folder, casefile.VERDICT, findings.verdict, parents)


def _write_transcript(
    folder: CaseFolder, exhibit: Exhibit, judged: Judged, heard_in: tuple[str, ...]
) -> tuple[str, ...]:
    """One recogniser's words and the phrases found in them; returns both digests."""
    words = casefile.UTTERANCES_FORM.dump_json(judged.utterances, indent=1)
    made = f"{MADE_BY}, {judged.model.engine}, model {judged.model.sha256}"
    transcript = folder.write_derived(exhibit.transcript, words, heard_in, JSON_TYPE, made)
    spotted = casefile.HITS_FORM.dump_json(judged.hits, indent=1)
    made = f"{MADE_BY}, rulebook {judged.verdict.rulebook_sha256}"
    hits = folder.write_derived(exhibit.hits, spotted, transcript, JSON_TYPE, made)
    return (hits, transcript)


def _write_verdict(
    folder: CaseFolder, name: str, verdict: Verdict, parents: tuple[str, ...]
) -> None:
    made = f"{MADE_BY}, rulebook {verdict.rulebook_sha256}"
    if verdict.scorer_sha256:
        made += f", scorer {verdict.scorer_sha256}"
    judged = casefile.VERDICT_FORM.dump_json(verdict, indent=1)
    folder.write_derived(name, judged, parents, JSON_TYPE, made)
