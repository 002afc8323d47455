"""Small pieces that every paper of this room is made of."""

from datetime import date, datetime

from ivr.clock import VIETNAM
from ivr.facts.papers import Paragraph
from ivr.locale import Language, table
from ivr.rights.law import Rule

FILE = "rights.toml"


def text(language: Language, key: str) -> str:
    return table(language, FILE)[key]


def shown_day(day: date) -> str:
    return day.strftime("%d/%m/%Y")


def shown_moment(moment: datetime, language: Language) -> str:
    """``09:12 ngày 24/11/2026 (UTC+07:00)``."""
    local = moment.astimezone(VIETNAM)
    return text(language, "clock").format(time=f"{local:%H:%M}", date=shown_day(local.date()))


def cite(rule: Rule, language: Language) -> str:
    """The article, marked when nobody has read it."""
    return rule.article if rule.verified else f"{rule.article} [{text(language, 'unverified')}]"


def standing(rule: Rule, language: Language) -> str:
    """Whether the text of a rule was read, and when it was last looked at."""
    key = "verified_mark" if rule.verified else "unverified"
    return f"{text(language, key)}, {shown_day(rule.checked_on)}"


def warning(rules: tuple[Rule, ...], language: Language) -> tuple[Paragraph, ...]:
    """What whoever signs must know, when a rule was not read."""
    if all(rule.verified for rule in rules):
        return ()
    return (Paragraph(text(language, "unverified_note")),)
