"""What a case says, in words: the pieces that SMS, mail and receipt are made of."""

from collections.abc import Iterable
from datetime import datetime

from ivr.clock import VIETNAM
from ivr.facts.call import OUR_VOICE
from ivr.facts.judgement import PhraseHit, Stage
from ivr.facts.reports import CaseFacts
from ivr.locale import Language, words
from ivr.reporting.numbers import is_own

# Fixed: Vietnam keeps no summer time, and a slim machine may have no time zone files.

CLAIMS = (
    Stage.AUTHORITY,
    Stage.ACCUSATION,
    Stage.THREAT,
    Stage.ISOLATION,
    Stage.INSTRUCTION,
    Stage.DEMAND,
)


def local_time(moment: datetime) -> str:
    """``09:12 24/11/2026`` in Vietnam."""
    return moment.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")


def position(seconds: float) -> str:
    """``01:02.5``: minutes, seconds and tenths on a leg's time line."""
    tenths = round(seconds * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def length(seconds: float, language: Language) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} phút {rest} giây" if language == "vi" else f"{minutes} min {rest} s"


def from_caller(facts: CaseFacts) -> tuple[PhraseHit, ...]:
    """Hits that speak against the caller: said by the other side, not negated, in order."""
    return tuple(hit for hit in facts.hits if hit.leg not in OUR_VOICE and not hit.negated)


def concepts(facts: CaseFacts, stages: Iterable[Stage]) -> tuple[str, ...]:
    """Names of the concepts heard in the given stages, each once, in order of stage and time."""
    hits = from_caller(facts)
    found = [hit.concept for stage in stages for hit in hits if hit.stage is stage]
    return tuple(dict.fromkeys(found))


def meanings(facts: CaseFacts, stages: Iterable[Stage], language: Language) -> tuple[str, ...]:
    """The same concepts as the rulebook explains them; unexplained ones by their name."""
    column = 0 if language == "vi" else 1
    named = [
        facts.meanings[concept][column] if concept in facts.meanings else spelled(concept)
        for concept in concepts(facts, stages)
    ]
    return tuple(dict.fromkeys(named))


def pretexts(facts: CaseFacts, language: Language) -> str:
    column = 0 if language == "vi" else 1
    names = [
        facts.pretext_names[each][column] if each in facts.pretext_names else spelled(each)
        for each in facts.verdict.pretexts
    ]
    return ", ".join(names) or words(language)["text"]["none"]


def spelled(name: str) -> str:
    """``thu_hoi_so`` as words."""
    return name.replace("_", " ")


def caller_shown(facts: CaseFacts, language: Language) -> str:
    """The caller's number for a person to read; the subscriber's own is never shown as it."""
    number = facts.caller.number
    if number is None or is_own(number, facts.subscriber):
        return words(language)["text"]["unknown_number"]
    return number
