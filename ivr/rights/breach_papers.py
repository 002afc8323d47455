"""What a breach asks for: the notification to the authority, and the record (*biên bản*)."""

from collections.abc import Sequence
from datetime import datetime

from ivr.facts.papers import Block, Fields, Paragraph, Signatures, Table, Title
from ivr.facts.rights import Breach, BreachField, BreachNote
from ivr.rights.deadlines import remaining
from ivr.rights.letters import Office
from ivr.rights.words import cite, warning

FORM_FIELDS = (
    BreachField.WHAT,
    BreachField.WHERE,
    BreachField.CAUSE,
    BreachField.DATA,
    BreachField.PEOPLE,
    BreachField.CONSEQUENCES,
    BreachField.MEASURES,
    BreachField.CONTACT,
    BreachField.OTHER,
)


def lacking(notes: Sequence[BreachNote]) -> tuple[BreachField, ...]:
    """Places of the form for which there is no note yet."""
    told = {note.about for note in notes} | {BreachField.OTHER}
    return tuple(each for each in FORM_FIELDS if each not in told)


def clock_shown(breach: Breach, by: datetime, now: datetime, office: Office) -> str:
    """The countdown, or how late it was."""
    until = breach.notified_at or now
    left = remaining(by, until)
    if until >= by:
        return office.t("breach_late").format(late=left.removeprefix("-"))
    return office.t("breach_left").format(left=left)


def notification(
    breach: Breach, notes: Sequence[BreachNote], by: datetime, now: datetime, office: Office
) -> tuple[Block, ...]:
    """Data for form 08, in its places; what nobody has noted is dotted.

    Args:
        by: when the authority must have been told.
    """
    t, rule = office.t, office.book["breach"]
    notified = office.moment(breach.notified_at) if breach.notified_at else t("blank")
    clock = f"{office.moment(by)}, {clock_shown(breach, by, now, office)}"
    return (
        Title(t("breach_form_title"), is_paper=office.language == "vi"),
        Paragraph(t("breach_form_note")),
        Fields(
            (
                (t("breach_to"), t("breach_authority")),
                (t("controller"), office.settings.controller or t("blank")),
                (t("controller_address"), office.settings.controller_address or t("blank")),
                (t("officer"), office.settings.officer or t("blank")),
                (t("breach_reference"), breach.reference),
                (t("breach_detected"), office.moment(breach.detected_at)),
                (t("breach_by"), clock),
                (t("breach_notified"), notified),
            )
        ),
        Fields(tuple((t(f"breach_{each}"), _told(notes, each, office)) for each in FORM_FIELDS)),
        Fields(((t("law_basis"), cite(rule, office.language)),)),
        *warning((rule,), office.language),
        Signatures((t("sign_person"), t("sign_head"))),
    )


def _told(notes: Sequence[BreachNote], about: BreachField, office: Office) -> str:
    found = [note.text for note in notes if note.about is about]
    if not found and about is BreachField.CONTACT:
        found = [each for each in (office.settings.officer, office.settings.contact) if each]
    return "; ".join(found) or office.t("blank")


def record(breach: Breach, notes: Sequence[BreachNote], office: Office) -> tuple[Block, ...]:
    """The record that the law asks for, with every note as it was made."""
    t, rule = office.t, office.book["breach"]
    headers = tuple(t("breach_record_headers").split("|"))
    rows = tuple(
        (office.moment(note.at), note.who, t(f"about_{note.about.value}"), note.text)
        for note in notes
    )
    blank = t("blank")
    return (
        Title(t("breach_record_title"), is_paper=office.language == "vi"),
        Paragraph(t("breach_record_today")),
        Fields(((t("name"), blank), (t("name"), blank))),
        Fields(
            (
                (t("controller"), office.settings.controller or blank),
                (t("breach_reference"), breach.reference),
                (t("breach_detected"), office.moment(breach.detected_at)),
                (t("law_basis"), cite(rule, office.language)),
            )
        ),
        Paragraph(t("breach_record_log"), is_strong=True),
        Table(headers, (34, 30, 26, 80), rows),
        Paragraph(t("breach_record_end")),
        *warning((rule,), office.language),
        Signatures((t("sign_person"), t("sign_head"), t("sign_witness"))),
    )
