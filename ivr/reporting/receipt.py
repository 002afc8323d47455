"""What the citizen is told after the call, in a few plain sentences."""

from collections.abc import Sequence

from ivr.facts.judgement import Label, Stage
from ivr.facts.reports import CaseFacts, Delivery, DeliveryState
from ivr.locale import Language, fill, words
from ivr.reporting.case_words import CLAIMS, caller_shown, local_time, meanings

_MOST_CLAIMS = 5
_OPEN = frozenset(set(DeliveryState) - {DeliveryState.SENT, DeliveryState.WITHDRAWN})


def citizen_summary(facts: CaseFacts, language: Language, filed: Sequence[Delivery] = ()) -> str:
    """The receipt.

    Args:
        filed: the case's reports as they stand; only what reached the other side is called
            reported, everything else is said to be waiting.
    """
    stages = (Stage.ADVERT,) if facts.verdict.label is Label.SPAM else CLAIMS
    claims = meanings(facts, stages, language)[:_MOST_CLAIMS]
    values = {
        "caller": caller_shown(facts, language),
        "opened": local_time(facts.opened_at),
        "case_id": facts.case_id,
        "claims": "; ".join(claims) or words(language)["text"]["none"],
        "filed": _filed(filed, language),
    }
    return fill(language, f"receipt_{facts.verdict.label.value}.txt", values)


def _filed(filed: Sequence[Delivery], language: Language) -> str:
    none = words(language)["text"]["none"]
    sent = [_named(each) for each in filed if each.state is DeliveryState.SENT]
    waiting = [_named(each) for each in filed if each.state in _OPEN]
    if not sent and not waiting:
        return words(language)["text"]["filed_none"]
    values = {"sent": ", ".join(sent) or none, "waiting": ", ".join(waiting) or none}
    return fill(language, "filed.txt", values).strip()


def _named(delivery: Delivery) -> str:
    return f"{delivery.channel.value.upper()} {delivery.address}"
