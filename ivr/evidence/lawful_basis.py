"""On what ground one call was recorded: derived from its facts and its journal, kept in the
manifest. What the law says of each ground is not for this room: `ivr rights law`."""

from datetime import datetime

from ivr.evidence.journal import Journal
from ivr.facts.call import CallOpened, Mode
from ivr.facts.rights import Consent, Ground, LawfulBasis, Notice

ANNOUNCED = "announced"
"""Event of the journal: the announcement began."""
ANNOUNCEMENT_OVER = "announcement over"
"""Event of the journal: it ended; ``is_whole`` says whether it was played to its end."""


def lawful_basis(opened: CallOpened, journal: Journal) -> LawfulBasis:
    """The record of a case, sealed or not."""
    notice = _notice(journal)
    return LawfulBasis(
        ground=_ground(opened, notice),
        stated=opened.lawful_basis,
        notice=notice,
        consent=_consent(opened),
    )


def _ground(opened: CallOpened, notice: Notice | None) -> Ground:
    if opened.mode is Mode.MIRROR:
        return Ground.MIRROR
    if opened.mode is Mode.UPLOAD:
        return Ground.UPLOAD
    return Ground.ANNOUNCEMENT if notice is not None else Ground.NONE


def _notice(journal: Journal) -> Notice | None:
    began, over = journal.find(ANNOUNCED), journal.find(ANNOUNCEMENT_OVER)
    if began is None:
        return None
    facts = began["facts"]
    return Notice(
        at=datetime.fromisoformat(began["at"]),
        language=str(facts.get("language", "")),
        prompt=str(facts.get("prompt", "")),
        text=str(facts.get("text", "")),
        is_whole=bool(over["facts"]["is_whole"]) if over is not None else None,
    )


def _consent(opened: CallOpened) -> Consent | None:
    if not opened.consent_version and not opened.consented_on:
        return None
    return Consent(opened.consent_version, opened.consented_on)
