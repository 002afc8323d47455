"""Judging and hearing one sealed case again, with what is installed here."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from pathlib import Path
from typing import Any, NamedTuple

from ivr.casefile import FIRST, SECOND, Exhibit, SealedCase, transcript_of
from ivr.casework.replay_findings import Check, Outcome, Pin, Product, told, transcripts, written
from ivr.errors import RecognitionError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.layout import DERIVED
from ivr.evidence.software import running_software
from ivr.facts.audio import Recording
from ivr.facts.speech import Utterance
from ivr.journeys.closing import SPOKEN_LEGS, order
from ivr.journeys.second_pass import Findings, Judged, agreement, combine
from ivr.media.recordings import read_samples
from ivr.ports import Judge
from ivr.recognition import engines
from ivr.recognition.client import Recognition
from ivr.recognition.model import ModelInfo
from ivr.settings import Settings, resolve
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter

SEALED_WORDS = "sealed-words"
HEARD_AGAIN = "heard-again"


@dataclass(frozen=True, slots=True)
class InForce:
    """What judges here and now."""

    settings: Settings
    settings_sha256: str
    rulebook: Rulebook
    judge: Judge


class Heard(NamedTuple):
    """Who heard the call, as the case says. ``exhibit``: where its words lie."""

    exhibit: Exhibit
    engine: str
    name: str
    sha256: str
    is_demonstration: bool

    @property
    def model(self) -> ModelInfo:
        """As far as a verdict looks at it: name, digest, whether it is a demonstration's."""
        return ModelInfo(
            self.name,
            Path(self.name),
            self.sha256,
            rate_hz=8000,
            words=0,
            has_word_times=True,
            has_run_time_graph=False,
            is_demonstration=self.is_demonstration,
            engine=self.engine,
        )


@dataclass(frozen=True, slots=True)
class Again:
    """What listening again brought."""

    pins: tuple[Pin, ...] = ()
    checks: tuple[Check, ...] = ()
    findings: Findings | None = None


class Bench:
    """One case on the bench; ``today`` counts only for a rulebook that is not the case's own."""

    def __init__(
        self, case: SealedCase, manifest: Mapping[str, Any], here: InForce, today: date
    ) -> None:
        self._case, self._manifest, self._here = case, manifest, here
        is_same_book = manifest["rulebook_sha256"] == here.rulebook.sha256
        day = case.opened.opened_at.astimezone(UTC).date() if is_same_book else today
        self._spotter = Spotter(here.rulebook, on=day)
        self._heard = _heard(case)

    def judge_sealed_words(self) -> Findings:
        """What the transcripts in the case say to this rulebook, scorer and program."""
        path = self._case.sealed.path
        return self._together(
            [self._judge(each.model, transcript_of(path, each.exhibit)) for each in self._heard]
        )

    async def listen_again(self, recordings: Sequence[Recording]) -> Again:
        """Recognise every spoken leg with each engine that heard the call."""
        spoken = [recording for recording in recordings if recording.leg in SPOKEN_LEGS]
        pins: list[Pin] = []
        checks: list[Check] = []
        found: list[Judged] = []
        for each in self._heard:
            name = f"words heard again, {each.engine} {each.name}"
            try:
                model = await asyncio.to_thread(find_model, each, self._here.settings)
                utterances = await self._transcribe(model, spoken)
            except RecognitionError as problem:
                pins.append(Pin(f"model {each.name}", each.sha256, ""))
                detail = f"{problem.what} {problem.why}"
                checks.append(Check(name, Outcome.NOT_DONE, detail, is_binding=False))
                continue
            judged = await asyncio.to_thread(self._judge, model, utterances)
            pins.append(Pin(f"model {each.name}", each.sha256, model.sha256))
            checks.append(self._words_check(name, each, judged))
            found.append(judged)
        if len(found) < len(self._heard):
            return Again(tuple(pins), tuple(checks))
        findings = self._together(found)
        checks.append(_verdict_check(self._case, findings))
        return Again(tuple(pins), tuple(checks), findings)

    def pins(self, findings: Findings) -> tuple[Pin, ...]:
        """Program, libraries, settings, rulebook and scorer, then and now."""
        running, sealed = running_software(), self._manifest["software"]
        libraries = {"python": running.python, **running.libraries}
        before = {"python": sealed["python"], **sealed["libraries"]}
        return (
            Pin("program", sealed["package_sha256"], running.package_sha256),
            Pin("libraries", _listed(before), _listed(libraries)),
            Pin("settings", self._manifest["settings_sha256"] or "", self._here.settings_sha256),
            Pin("rulebook", self._manifest["rulebook_sha256"] or "", self._here.rulebook.sha256),
            Pin(
                "scorer",
                self._manifest.get("scorer_sha256") or "",
                findings.first.verdict.scorer_sha256,
            ),
        )

    def products(self, sealed_words: Findings, again: Findings | None) -> tuple[Product, ...]:
        """Everything that was made, each naming what it was made from."""
        path = self._case.sealed.path
        words = tuple(
            sha256_hex((path / DERIVED / each.exhibit.transcript).read_bytes())
            for each in self._heard
        )
        made = [*_judged_products(SEALED_WORDS, sealed_words, words)]
        if again is not None:
            wire = (str(self._manifest["wire"]["sha256"]),)
            spoken = [
                Product(f"{HEARD_AGAIN}/{name}", content, wire, f"ivr, model {judged.model.sha256}")
                for (name, content), judged in zip(
                    transcripts(again).items(), _listeners(again), strict=True
                )
            ]
            parents = tuple(product.sha256 for product in spoken)
            made += [*spoken, *_judged_products(HEARD_AGAIN, again, parents)]
        return tuple(made)

    def _judge(self, model: ModelInfo, utterances: tuple[Utterance, ...]) -> Judged:
        legs = self._manifest["legs"]
        duration_s = max((leg["samples"] / leg["rate_hz"] for leg in legs), default=0.0)
        hits = self._spotter.spot(utterances)
        return Judged(model, utterances, hits, self._here.judge.judge(hits, utterances, duration_s))

    def _together(self, heard: Sequence[Judged]) -> Findings:
        if len(heard) == 1:
            return Findings(heard[0], None, None, heard[0].verdict)
        first, second = heard
        return combine(first, second, self._here.settings.verdict.filing_threshold)

    async def _transcribe(
        self, model: ModelInfo, recordings: Sequence[Recording]
    ) -> tuple[Utterance, ...]:
        update = {"engine": model.engine, "model": model.path, "processes": 1}
        found: list[Utterance] = []
        settings = self._here.settings.recognition.model_copy(update=update)
        async with Recognition(settings) as recognition:
            for recording in recordings:
                samples = await asyncio.to_thread(read_samples, recording)
                found += await recognition.transcribe(samples, recording.leg)
        return order(found, recordings)

    def _words_check(self, name: str, each: Heard, judged: Judged) -> Check:
        sealed = transcript_of(self._case.sealed.path, each.exhibit)
        before, after = _texts(sealed), _texts(judged.utterances)
        if before == after:
            count = sum(map(len, after.values()))
            return Check(name, Outcome.SAME, f"{count} words, every one the same", is_binding=False)
        shared = agreement(replace(judged, utterances=sealed), judged)
        detail = (
            f"{sum(map(len, before.values()))} words then, {sum(map(len, after.values()))} now; "
            f"{shared:.0%} of neighbouring syllables in common"
        )
        return Check(name, Outcome.DIFFERENT, detail, is_binding=False)


def find_model(heard: Heard, settings: Settings) -> ModelInfo:
    """The installed model with the digest that the case names; when there is none, the one that
    this engine would use here. Blocking: reads models whole.

    Raises:
        RecognitionError: neither is there.
    """
    chosen = resolve(settings.recognition.model)
    places = [chosen]
    if heard.engine == engines.VOSK:
        beside = resolve(settings.recognition.models_dir)
        places += sorted(p.parent for p in beside.glob("*/am") if p.parent != chosen)
    for place in places:
        try:
            model = engines.describe(heard.engine, place)
        except RecognitionError:  # a broken model beside the others is not the one wanted
            continue
        if model.sha256 == heard.sha256:
            return model
    return engines.describe(heard.engine, chosen)


def _heard(case: SealedCase) -> tuple[Heard, ...]:
    live, second = case.recognition, case.recognition.second
    demo = live.is_demonstration_model
    found = [Heard(FIRST, live.engine, live.model_name, live.model_sha256, demo)]
    if second is not None and second.verdict is not None:
        demo = second.is_demonstration_model
        found.append(Heard(SECOND, second.engine, second.model_name, second.model_sha256, demo))
    return tuple(found)


def _listeners(findings: Findings) -> list[Judged]:
    return [one for one in (findings.first, findings.second) if one is not None]


def _judged_products(
    folder: str, findings: Findings, parents: tuple[str, ...]
) -> tuple[Product, ...]:
    verdict = findings.verdict
    made_by = f"ivr, rulebook {verdict.rulebook_sha256}, scorer {verdict.scorer_sha256 or 'none'}"
    return tuple(
        Product(f"{folder}/{name}", content, parents, made_by)
        for name, content in written(findings).items()
    )


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def _texts(utterances: Sequence[Utterance]) -> dict[str, list[str]]:
    """Words of each leg."""
    found: dict[str, list[str]] = {}
    for utterance in utterances:
        found.setdefault(utterance.leg.value, []).extend(word.text for word in utterance.words)
    return found


def _verdict_check(case: SealedCase, findings: Findings) -> Check:
    then, now = case.verdict, findings.verdict
    is_same = (then.label, then.level) == (now.label, now.level)
    return Check(
        "verdict on the words heard again",
        Outcome.SAME if is_same else Outcome.DIFFERENT,
        f"{told(then)} then, {told(now)} now",
        is_binding=False,
    )
