"""The house: every wired room in one frozen object, handed to each call's journey."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from ivr.board import Board
from ivr.casefile import SealedCase
from ivr.clock import Clock
from ivr.dialogue.pin import PinGate
from ivr.dialogue.prompts import Prompt
from ivr.dialogue.script import Script
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.custody import Custodian
from ivr.evidence.layout import ORIGINAL
from ivr.evidence.signer import Signer
from ivr.evidence.site_log import SiteLog
from ivr.facts.call import CallOpened, LegName
from ivr.facts.reports import CaseFacts, Report
from ivr.media.door import CallDoor
from ivr.ports import Judge, WatchedCase
from ivr.recognition.client import Recognition
from ivr.recognition.model import ModelInfo
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import Settings, Subscriber
from ivr.spotting.spotter import Spotter
from ivr.storage.ledger import Ledger
from ivr.telephony.protected import Protected
from ivr.telephony.sources import SourceTable
from ivr.telephony.trunks import Trunks
from ivr.watch.alarms import Alarms
from ivr.watch.capacity import Capacity
from ivr.watch.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Mind:
    """What turns sound into a judgement: recogniser, spotter, judge. Enough for `ivr screen`.

    Args:
        second: the recogniser that listens again after the call; None: none does.
    """

    recognition: Recognition
    spotter: Spotter
    judge: Judge
    second: Recognition | None = None

    @property
    def model(self) -> ModelInfo:
        return self.recognition.model_info


@dataclass(frozen=True, slots=True)
class House:
    """Everything a call needs. Built by `ivr.app.open_house`.

    Args:
        prompts: in the language in use, by id.
        voices: the prompts of every language, by language and id.
        script: the screening dialogue.
        vault: folder of the cases.
        compose: case facts to reports; pure but for today's date.
        settings_sha256: digest of the settings, named in every manifest.
        trunks: which trunk a call came over, and how many it has.
        protected: whom a report must never name: the subscribers and our own lines.
        tally: counts since the start of what leaves no case, by name.
        open_case: a sealed case as a readable folder, also one that is encrypted at rest.
        pins: wrong codes of the voice menu, counted for each access number.
        capacity: whether a call would be taken now.
        alarms: what is wrong now.
        running: cases whose call runs, by call id.
        sources: addresses whose calls the house refused.
    """

    settings: Settings
    settings_sha256: str
    clock: Clock
    board: Board
    mind: Mind
    prompts: dict[str, Prompt]
    voices: Mapping[str, Mapping[str, Prompt]]
    script: Script
    vault: Path
    signer: Signer
    site_log: SiteLog
    ledger: Ledger
    dispatcher: Dispatcher
    trunks: Trunks
    protected: Protected
    compose: Callable[[CaseFacts], tuple[Report, ...]]
    log: structlog.stdlib.BoundLogger
    capacity: Capacity
    alarms: Alarms
    metrics: Metrics = field(default_factory=Metrics)
    running: dict[str, WatchedCase] = field(default_factory=dict)
    sources: SourceTable = field(default_factory=SourceTable)
    tally: Counter[str] = field(default_factory=Counter)
    pins: PinGate = field(default_factory=PinGate)
    open_case: Callable[[Path], AbstractContextManager[Path]] = nullcontext

    @property
    def subscribers(self) -> dict[str, Subscriber]:
        """Subscribers by access number."""
        return {subscriber.access: subscriber for subscriber in self.settings.subscribers}

    @property
    def custodian(self) -> Custodian:
        """For entries into the custody of cases."""
        return Custodian(self.signer, self.clock, self.site_log)

    def count_refusal(self, reason: str, address: str) -> None:
        """A call was refused; ``address``: where it came from."""
        self.metrics.refused.labels(reason).inc()
        self.sources.count(address)

    def describe(self, case: SealedCase) -> CaseFacts:
        """What a report or a receipt may say of a case, with the rulebook's words for it."""
        rulebook = self.mind.spotter.rulebook
        meanings = {c.name: (c.meaning_vi, c.meaning_en) for c in rulebook.concepts}
        return replace(case.facts, meanings=meanings, pretext_names=rulebook.pretexts)

    async def open_door(self, folder: CaseFolder, opened: CallOpened) -> CallDoor:
        """The RTP door of one call; raises EnvironmentProblem or MediaError."""
        remote_leg = next(leg for leg in opened.legs if leg is not LegName.AGENT)
        return await CallDoor.open(
            folder.path / ORIGINAL,
            self.settings.media,
            call_id=opened.call_id,
            remote_leg=remote_leg,
        )
