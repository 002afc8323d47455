"""What the voice menu says of the last call, and how it reads forwarding codes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, get_args

from ivr.dialogue import spoken
from ivr.dialogue.spoken import PAUSE, Language, Region
from ivr.facts.judgement import Label

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
FORWARDING: Final = (
    ("menu_forward_no_answer", "**61*"),
    ("menu_forward_busy", "**67*"),
    ("menu_forward_all", "**21*"),
)
FORWARDING_OFF: Final = "##002#"
"""GSM supplementary services (3GPP TS 22.030): codes that every Vietnamese network takes."""

_LABELS: Final = {label: f"menu_{label.value}" for label in Label}


class ReportState(StrEnum):
    """What became of the reports on a call, taken together."""

    NONE = "none"
    HELD = "held"  # waits for the subscriber
    WAITING = "waiting"  # on its way
    READY = "ready"  # laid out for a person
    FILED = "filed"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LastCall:
    """The subscriber's last call.

    Args:
        number: the caller's, as the case names it; None when it was hidden.
        at: when it came, in the subscriber's time zone.
    """

    label: Label
    number: str | None
    at: datetime
    report: ReportState


def wanted(language: Language) -> frozenset[str]:
    """Every prompt that the menu may ask for in a language."""
    found = {
        *("menu_welcome", "menu_pin", "menu_pin_wrong", "menu_keys", "menu_help", "menu_bye"),
        *("menu_last", "menu_last_hidden", "menu_at", "menu_none", "menu_unchanged"),
        *("menu_confirm_file", "menu_confirm_withdraw", "menu_filed", "menu_withdrawn"),
        *("menu_not_possible", "menu_wrong_key", "menu_trouble", "menu_forward_off"),
        "menu_forward_number",
        *(prompt for prompt, _ in FORWARDING),
        *_LABELS.values(),
        *(f"menu_report_{state}" for state in ReportState),
    }
    if language == "en":
        found.add("menu_on")
    return frozenset(found | set(spoken.VOCABULARY[language]))


def last_call(last: LastCall | None, language: Language, region: Region) -> Iterator[str]:
    """Whose call it was and when, how it was judged, what became of the report."""
    if last is None:
        yield "menu_none"
        return
    number = spoken.telephone(last.number) if last.number and _is_number(last.number) else ()
    yield from ("menu_last", *number, PAUSE) if number else ("menu_last_hidden",)
    yield from ("menu_at", *spoken.clock(last.at, language, region))
    yield from ("menu_on",) if language == "en" else ()
    yield from (*spoken.date(last.at, language, region), PAUSE)
    yield from (_LABELS[last.label], f"menu_report_{last.report}")


def _is_number(shown: str) -> bool:
    return shown.removeprefix("+").isdecimal()


def forwarding(access: str) -> Iterator[str]:
    """The codes that forward calls to us and end it; ``access`` is said when it can be dialled."""
    number = spoken.keys(access) if _is_number(access) else ("menu_forward_number",)
    for prompt, code in FORWARDING:
        yield from (prompt, *spoken.keys(code), *number, "s_hash", PAUSE)
    yield from ("menu_forward_off", *spoken.keys(FORWARDING_OFF))
