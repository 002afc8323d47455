"""On what this house records now, and what lacks: `ivr rights basis`, and the open points of the
impact file. It reads the settings; whether the law is content with them a lawyer must say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ivr.facts.papers import Block, Fields, Heading, Paragraph, Table, Title
from ivr.locale import Language, table
from ivr.rights.deadlines import Law
from ivr.rights.law import Rule
from ivr.rights.words import cite, shown_day, text, warning
from ivr.settings import Settings, Subscriber

CITED = (
    "secrecy",
    "unlawful_recording",
    "cyber_law_recording",
    "interception",
    "no_consent_needed",
    "no_consent_duties",
    "consent",
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that lacks. ``code`` for programs, ``text`` for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """``rows``: what is done, on what ground. ``missing``: without it the ground is doubtful.
    ``notes``: what a person should know all the same."""

    rows: tuple[tuple[str, str], ...]
    missing: tuple[Missing, ...]
    notes: tuple[Missing, ...]


def grounds(
    settings: Settings,
    notices: Mapping[str, str],
    law: Law,
    today: date,
    refused_recipients: Sequence[tuple[str, str]] = (),
    language: Language = "vi",
) -> Grounds:
    """What stands now.

    Args:
        notices: words of the installed announcement by language; empty: none is installed.
        refused_recipients: id of each enabled recipient that cannot be used, and why.
    """
    words = table(language, "grounds.toml")
    notice = notices.get(settings.call.language, "")
    rows = [
        (words["answered"], _answered(notice, settings, words)),
        (words["mirror"], settings.mirror.lawful_basis if settings.mirror.enabled else ""),
        (words["uploads"], words["uploads_value"]),
        *(_subscriber(each, words) for each in settings.subscribers),
    ]
    found = [
        *_of_house(settings, notice),
        *_of_subscribers(settings),
        *_of_impact(settings, law, today),
    ]
    told = [*_notes(settings), *(("recipient", {"id": i, "why": w}) for i, w in refused_recipients)]
    return Grounds(
        tuple((what, value or words["mirror_off"]) for what, value in rows),
        tuple(Missing(code, words[f"miss_{code}"].format(**facts)) for code, facts in found),
        tuple(Missing(code, words[f"miss_{code}"].format(**facts)) for code, facts in told),
    )


_Found = tuple[str, dict[str, str]]


def _answered(notice: str, settings: Settings, words: Mapping[str, str]) -> str:
    if not notice:
        return words["answered_none"]
    language = words[f"language_{settings.call.language}"]
    return words["answered_value"].format(language=language, text=notice)


def _subscriber(each: Subscriber, words: Mapping[str, str]) -> tuple[str, str]:
    what = words["subscriber"].format(access=each.access, mode=each.mode)
    if not each.consent_version or each.consented_on is None:
        return what, words["subscriber_none"]
    given = shown_day(each.consented_on)
    return what, words["subscriber_value"].format(version=each.consent_version, date=given)


def _of_house(settings: Settings, notice: str) -> list[_Found]:
    found: list[_Found] = []
    if not notice:
        found.append(("announcement", {}))
    if not settings.rights.controller:
        found.append(("controller", {}))
    if not settings.rights.contact:
        found.append(("contact", {}))
    if settings.mirror.enabled and len(settings.mirror.lawful_basis.split()) < 4:
        found.append(("mirror", {}))
    return found


def _of_subscribers(settings: Settings) -> list[_Found]:
    current = settings.rights.consent_version
    found: list[_Found] = []
    for each in settings.subscribers:
        if not each.consent_version or each.consented_on is None:
            found.append(("consent", {"access": each.access}))
        elif current and each.consent_version != current:
            facts = {"access": each.access, "given": each.consent_version, "current": current}
            found.append(("consent_old", facts))
    return found


def _of_impact(settings: Settings, law: Law, today: date) -> list[_Found]:
    rights = settings.rights
    if rights.processing_since is None:
        return [("since", {})] if settings.subscribers or settings.mirror.enabled else []
    due = law.impact_by(rights.processing_since)
    if rights.impact_filed_on is None and today >= rights.processing_since:
        return [("impact", {"date": shown_day(due)})]
    return []


def _notes(settings: Settings) -> list[_Found]:
    found: list[_Found] = []
    if not settings.retention.scam_days:
        found.append(("scam_kept", {}))
    if settings.encryption.recipients_file is None:
        found.append(("encryption", {}))
    if settings.log.level == "debug":
        found.append(("debug", {}))
    if settings.reporting.file_automatically:
        found.append(("automatic", {}))
    return found


def grounds_paper(found: Grounds, law: Law, language: Language) -> tuple[Block, ...]:
    """For people to read, with the law it rests on."""
    words = table(language, "grounds.toml")
    rules: tuple[Rule, ...] = tuple(law.book[name] for name in CITED)
    lines = [Paragraph(f"- {each.text}") for each in (*found.missing, *found.notes)]
    return (
        Title(words["title"]),
        Table(tuple(words["headers"].split("|")), (60, 110), found.rows),
        Heading(words["missing"]),
        *(lines or [Paragraph(words["missing_none"])]),
        Heading(text(language, "law_basis")),
        Fields(tuple((cite(rule, language), rule.text(language)) for rule in rules)),
        *warning(rules, language),
    )
