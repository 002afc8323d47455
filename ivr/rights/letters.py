"""Letters to a person who asked about their data: received, extended, answered; and the list of
what is kept. Blanks are for a pen; a person signs and sends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ivr.facts.papers import Block, Fields, Heading, Paragraph, Signatures, Table, Title
from ivr.facts.rights import RequestKind, RequestState, SubjectRequest
from ivr.locale import Language, words
from ivr.rights.deadlines import Terms, last_day
from ivr.rights.law import LawBook
from ivr.rights.words import cite, shown_day, shown_moment, text, warning
from ivr.settings import RightsSettings


class KeepReason(StrEnum):
    """Why a case is not deleted although a person on it asks for it."""

    HELD = "held"
    REPORTED = "reported"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class HeldCase:
    """What is kept of one call of a person, or of a message of theirs that was reported.

    Args:
        role: ``caller``, ``called``; of a message ``sender``.
        kept_until: for people, in the language of the list.
        shared: who was given something of it, and how far that is.
        reasons: why it is not deleted; none: it can be.
    """

    case_id: str
    opened_at: datetime
    role: str
    mode: str
    duration_s: float
    label: str
    kept_until: str
    shared: tuple[str, ...]
    reasons: tuple[KeepReason, ...]


@dataclass(frozen=True, slots=True)
class Office:
    """Who writes, by what law, in which language."""

    settings: RightsSettings
    book: LawBook
    language: Language

    def t(self, key: str) -> str:
        return text(self.language, key)

    def moment(self, at: datetime) -> str:
        return shown_moment(at, self.language)

    def end(self, end: datetime) -> str:
        return self.t("to_end_of").format(date=shown_day(last_day(end)))


def acknowledgement(request: SubjectRequest, terms: Terms, office: Office) -> tuple[Block, ...]:
    """The first answer: it came, this is how it goes on, this is the term."""
    rows = [(office.t("ack_by"), office.end(terms.answer_by))]
    third = (Paragraph(office.t("ack_third")),) if request.has_third_party else ()
    return (
        *_head("ack_title", request, office),
        Paragraph(office.t("ack_text")),
        *third,
        Fields((*rows, _grounds(terms, office))),
        Paragraph(office.t("ack_right")),
        *_foot(terms, office),
    )


def extension(request: SubjectRequest, terms: Terms, why: str, office: Office) -> tuple[Block, ...]:
    """It takes longer, once."""
    return (
        *_head("ext_title", request, office),
        Paragraph(office.t("ext_text").format(why=why)),
        Fields(((office.t("ext_by"), office.end(terms.answer_by)), _grounds(terms, office))),
        Paragraph(office.t("ack_right")),
        *_foot(terms, office),
    )


def answer(
    request: SubjectRequest, terms: Terms, kept: Sequence[HeldCase], office: Office
) -> tuple[Block, ...]:
    """How a closed request ended.

    Args:
        kept: cases that stay although their deletion was asked for.
    """
    outcome = office.t(f"state_{request.state.value}")
    blocks: list[Block] = [
        *_head("answer_title", request, office),
        Fields(((office.t("answer_outcome"), outcome),)),
        Paragraph(request.answer),
    ]
    is_kept = request.kind is RequestKind.DELETE and request.state is not RequestState.DONE
    if is_kept and kept:
        headers = tuple(office.t("answer_kept_headers").split("|"))
        rows = tuple(_kept_row(case, office) for case in kept)
        blocks += [Heading(office.t("answer_kept")), Table(headers, (52, 48, 70), rows)]
    if is_kept:
        rule = office.book["keep_despite_request"]
        blocks.append(Paragraph(f"{cite(rule, office.language)}: {rule.text(office.language)}"))
    blocks += [Paragraph(office.t("ack_right")), *_foot(terms, office)]
    return tuple(blocks)


def _kept_row(case: HeldCase, office: Office) -> tuple[str, ...]:
    why = "; ".join(office.t(f"keep_{reason.value}") for reason in case.reasons)
    return (case.case_id, office.moment(case.opened_at), why)


def data_list(
    request: SubjectRequest, cases: Sequence[HeldCase], made_at: datetime, office: Office
) -> tuple[Block, ...]:
    """All that is kept of a person's calls, for `view` and `copy`."""
    headers = tuple(office.t("list_headers").split("|"))
    widths = (30, 24, 16, 22, 14, 22, 20, 22)
    rows = tuple(_list_row(case, office) for case in cases)
    listed: tuple[Block, ...] = (
        (Table(headers, widths, rows), Paragraph(office.t("list_kinds")))
        if rows
        else (Paragraph(office.t("list_none")),)
    )
    return (
        *_head("list_title", request, office),
        Fields(((office.t("list_made"), office.moment(made_at)),)),
        *listed,
        Paragraph(office.t("list_automatic")),
        *((Paragraph(office.t("list_copy")),) if request.kind is RequestKind.COPY else ()),
        Signatures((office.t("sign_person"), office.t("sign_head"))),
    )


def _list_row(case: HeldCase, office: Office) -> tuple[str, ...]:
    known = words(office.language)
    return (
        case.case_id,
        office.moment(case.opened_at),
        office.t(f"role_{case.role}"),
        known["mode"].get(case.mode) or office.t("mode_message"),
        f"{case.duration_s:.0f} s" if case.duration_s else "–",
        known["label"].get(case.label, case.label),
        case.kept_until,
        "; ".join(case.shared) or office.t("none"),
    )


def _head(title: str, request: SubjectRequest, office: Office) -> tuple[Block, ...]:
    settings, t = office.settings, office.t
    return (
        Title(t(title), is_paper=office.language == "vi"),
        Fields(
            (
                (t("controller"), settings.controller or t("blank")),
                (t("controller_address"), settings.controller_address or t("blank")),
                (t("contact"), settings.contact or t("blank")),
                (t("reference"), request.reference),
                (t("name"), request.name or t("blank")),
                (t("number"), request.number or t("unknown")),
                (t("kind"), t(f"kind_{request.kind.value}")),
                (t("received"), office.moment(request.received_at)),
            )
        ),
    )


def _grounds(terms: Terms, office: Office) -> tuple[str, str]:
    cited = dict.fromkeys(cite(rule, office.language) for rule in terms.rules)
    return office.t("law_basis"), "; ".join(cited)


def _foot(terms: Terms, office: Office) -> tuple[Block, ...]:
    signs = Signatures((office.t("sign_person"), office.t("sign_head")))
    return (*warning(terms.rules, office.language), signs)
