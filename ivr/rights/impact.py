"""The impact file: what is done with whose data, from the running settings and recipients.

Every statement about a setting is read from it in the same moment (`Claims`), so the file cannot
say what is not so. What settings cannot know is dotted, for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ivr.facts.papers import Block, Fields, Heading, Paragraph, Table, Title
from ivr.locale import Language, table, words
from ivr.rights.claims import Claims
from ivr.rights.deadlines import Law
from ivr.rights.flows import flows_of, processors_of, safeguards_of
from ivr.rights.grounds import Grounds
from ivr.rights.words import cite, shown_day, standing, text, warning
from ivr.settings import Settings

LABELS = ("clean", "unsure", "spam", "suspicious", "scam")
RULES = (
    "no_consent_needed",
    "no_consent_duties",
    "consent",
    "transfer",
    "retention",
    "automated",
    "sensitive",
    "small_firms",
    "impact",
    "cross_border",
)
Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Addressee:
    """A recipient of reports as the table of recipients has it.

    Args:
        is_public: a short code, or this machine: needs no verification.
        is_enabled: whether the controller wants it used at all.
        refusal: why nothing is sent there today; empty: it is used.
    """

    id: str
    name: str
    role: str
    channel: str
    address: str
    legal_basis: str
    verified_on: date | None
    is_public: bool
    is_enabled: bool
    refusal: str


@dataclass(frozen=True, slots=True)
class Impact:
    """The parts of the file; rows as they are printed.

    Args:
        settings: every setting that the file names, with its value.
    """

    made_on: date
    parties: Rows
    purposes: Rows
    categories: Rows
    flows: Rows
    recipients: Rows
    processors: Rows
    retention: Rows
    safeguards: Rows
    open_points: tuple[str, ...]
    settings: Mapping[str, str]


def impact(
    settings: Settings,
    recipients: Sequence[Addressee],
    found: Grounds,
    law: Law,
    today: date,
    language: Language = "vi",
) -> Impact:
    """Collect the file.

    Args:
        found: grounds in use and what lacks, in the same language.
    """
    claims, word = Claims(settings), table(language, "impact.toml")
    return Impact(
        made_on=today,
        parties=_parties(claims, law, word, language),
        purposes=_purposes(law, word, language),
        categories=_categories(word),
        flows=flows_of(claims, word),
        recipients=tuple(_recipient(each, word) for each in recipients),
        processors=processors_of(claims, word),
        retention=_retention(claims, word, language),
        safeguards=safeguards_of(claims, word),
        open_points=tuple(each.text for each in (*found.missing, *found.notes)),
        settings=claims.all,
    )


def _parties(claims: Claims, law: Law, word: Mapping[str, str], language: Language) -> Rows:
    rights, blank = claims.settings.rights, text(language, "blank")
    claims.say(
        "evidence.site",
        "rights.controller",
        "rights.controller_address",
        "rights.officer",
        "rights.contact",
        "rights.processing_since",
        "rights.impact_filed_on",
    )
    since, filed = rights.processing_since, rights.impact_filed_on
    return (
        (word["site"], claims.settings.evidence.site),
        (text(language, "controller"), rights.controller or blank),
        (text(language, "controller_address"), rights.controller_address or blank),
        (text(language, "officer"), rights.officer or blank),
        (text(language, "contact"), rights.contact or blank),
        (word["since"], shown_day(since) if since else blank),
        (word["due"], shown_day(law.impact_by(since)) if since else blank),
        (word["filed"], shown_day(filed) if filed else blank),
    )


def _purposes(law: Law, word: Mapping[str, str], language: Language) -> Rows:
    crime, consent = law.book["no_consent_needed"], law.book["consent"]
    both = f"{cite(consent, language)}; {cite(crime, language)}"
    return (
        (word["purpose_warn"], both),
        (word["purpose_report"], f"{both}; {cite(law.book['transfer'], language)}"),
        (word["purpose_evidence"], cite(crime, language)),
    )


def _categories(word: Mapping[str, str]) -> Rows:
    kinds = (
        ("voice", "both", "maybe"),
        ("words", "both", "maybe"),
        ("numbers", "both", "basic"),
        ("verdict", "both", "maybe"),
        ("subscriber", "subscriber", "basic"),
        ("messages", "sender", "maybe"),
        ("requests", "requester", "basic"),
    )
    return tuple((word[f"cat_{a}"], word[f"whose_{b}"], word[f"group_{c}"]) for a, b, c in kinds)


def _recipient(each: Addressee, word: Mapping[str, str]) -> tuple[str, ...]:
    if each.refusal:
        state = word["not_used"]
    elif each.verified_on is not None and not each.is_public:
        state = word["usable"].format(date=shown_day(each.verified_on))
    else:
        state = word["usable_public"]
    where = f"{each.channel}: {each.address}"
    return (each.id, each.name, each.role, where, each.legal_basis, state)


def _retention(claims: Claims, word: Mapping[str, str], language: Language) -> Rows:
    def term_of(days: float) -> str:
        return word["retention_days"].format(days=f"{days:g}") if days else word["retention_person"]

    rows = []
    chosen = claims.settings.retention
    for label in LABELS:
        said = claims.say(f"retention.{label}_days")
        what = word["retention_label"].format(label=words(language)["label"][label])
        rows.append((what, term_of(chosen.days(label)), said))
    said = claims.say("retention.reported_days")
    rows.append((word["retention_reported"], term_of(chosen.reported_days), said))
    said = claims.say("retention.spam_days")
    rows.append((word["retention_messages"], term_of(chosen.spam_days), said))
    days_kept = claims.settings.rights.erase_after_days
    term = word["retention_days"].format(days=days_kept)
    rows.append((word["retention_requests"], term, claims.say("rights.erase_after_days")))
    return tuple(rows)


def impact_paper(file: Impact, law: Law, language: Language) -> tuple[Block, ...]:
    """The file for people."""
    word = table(language, "impact.toml")
    rules = tuple(law.book[name] for name in RULES)
    cited = tuple(
        (rule.article, rule.text(language), rule.source, standing(rule, language)) for rule in rules
    )

    def grid(name: str, widths: tuple[int, ...], rows: Rows) -> Table:
        return Table(tuple(word[f"{name}_headers"].split("|")), widths, rows)

    points = [Paragraph(f"- {each}") for each in file.open_points]
    return (
        Title(word["title"], is_paper=language == "vi"),
        Paragraph(word["note"].format(date=shown_day(file.made_on))),
        Heading(word["who"]),
        Fields(tuple((name, value) for name, value in file.parties)),
        Heading(word["purposes"]),
        grid("purpose", (80, 90), file.purposes),
        Heading(word["categories"]),
        grid("category", (90, 40, 40), file.categories),
        Heading(word["flows"]),
        grid("flow", (36, 30, 30, 34, 40), file.flows),
        Heading(word["recipients"]),
        grid("recipient", (22, 32, 34, 34, 24, 24), file.recipients),
        Heading(word["processors"]),
        grid("processor", (50, 60, 60), file.processors)
        if file.processors
        else Paragraph(word["processor_none"]),
        Heading(word["retention"]),
        grid("retention", (60, 60, 50), file.retention),
        Paragraph(word["retention_law"]),
        Heading(word["safeguards"]),
        grid("safeguard", (60, 40, 70), file.safeguards),
        Heading(word["open"]),
        *(points or [Paragraph(word["open_none"])]),
        Paragraph(word["by_person"]),
        Heading(word["open_law"]),
        grid("law", (40, 70, 36, 24), cited),
        *warning(rules, language),
    )
