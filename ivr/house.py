"""The house: every wired room in one frozen object, handed to each call's journey."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from ivr.board import Board
from ivr.casefile import SealedCase
from ivr.clock import Clock
from ivr.dialogue.prompts import Prompt
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.layout import ORIGINAL
from ivr.evidence.signer import Signer
from ivr.evidence.site_log import SiteLog
from ivr.facts.call import CallOpened, LegName
from ivr.facts.reports import CaseFacts, Report
from ivr.media.door import CallDoor
from ivr.ports import Judge
from ivr.recognition.client import Recognition
from ivr.recognition.model import ModelInfo
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import Settings, Subscriber
from ivr.spotting.spotter import Spotter
from ivr.storage.ledger import Ledger
from ivr.telephony.networks import is_from


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
        vault: folder of the cases.
        compose: case facts to reports; pure but for today's date.
        settings_sha256: digest of the settings, named in every manifest.
        tally: counts since the start of what leaves no case, by name.
    """

    settings: Settings
    settings_sha256: str
    clock: Clock
    board: Board
    mind: Mind
    prompts: dict[str, Prompt]
    vault: Path
    signer: Signer
    site_log: SiteLog
    ledger: Ledger
    dispatcher: Dispatcher
    compose: Callable[[CaseFacts], tuple[Report, ...]]
    log: structlog.stdlib.BoundLogger
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def subscribers(self) -> dict[str, Subscriber]:
        """Subscribers by access number."""
        return {subscriber.access: subscriber for subscriber in self.settings.subscribers}

    def is_trusted(self, address: str) -> bool:
        """Whether network headers (P-Asserted-Identity …) from this address are believed."""
        return is_from(address, self.settings.sip.trusted_from)

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
