"""What the court papers say, as blocks for `ivr.reporting.court_pdf` to draw. Pure.

Record of copying and handing over, statement of origin, verdict, passages, transcripts, files: the
papers a Vietnamese office expects beside electronic data. Blanks are for a pen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ivr.facts.call import OUR_VOICE, LegName, Mode
from ivr.facts.judgement import Stage, Verdict
from ivr.facts.papers import (
    Block,
    Fields,
    Heading,
    Paragraph,
    Signatures,
    Table,
    Title,
)
from ivr.facts.reports import CaseFacts
from ivr.facts.speech import Utterance
from ivr.locale import table, words
from ivr.reporting.basis_words import basis_shown
from ivr.reporting.case_words import (
    CLAIMS,
    caller_shown,
    from_caller,
    length,
    local_time,
    position,
    pretexts,
)

_INCRIMINATING = frozenset({*CLAIMS, Stage.ADVERT})
_Place = tuple[float, float, LegName, str]
"""A sentence: start and end in seconds, who, text."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one recogniser made of the call.

    Args:
        engine, model: e.g. ``vosk`` and the model's name.
        is_live: it listened while the call ran.
        verdict: on its transcript alone; None when it could not listen.
        is_leading: the case's verdict rests on it.
        failure: why it could not listen; empty when it could.
    """

    engine: str
    model: str
    is_live: bool
    is_demonstration_model: bool
    is_leading: bool
    verdict: Verdict | None
    utterances: tuple[Utterance, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """What the papers need beside the facts of the case.

    Args:
        giver, reason: who hands over, and why, as in custody.
        made_at: local time of the custody entry, as `case_words.local_time` writes it.
        heard: one of each recogniser, the live one first.
    """

    facts: CaseFacts
    giver: str
    reason: str
    made_at: str
    key_sha256: str
    software: str
    heard: tuple[Heard, ...]


def court_paper(paper: Paper) -> tuple[Block, ...]:
    """All papers, in order."""
    return (
        *_record(paper),
        *_origin(paper),
        *_verdict(paper),
        *_passages(paper),
        *(block for each in paper.heard if not each.failure for block in _transcript(each)),
        *_files(paper),
    )


def _t(name: str) -> str:
    return table("vi", "court.toml")[name]


def _headers(name: str) -> tuple[str, ...]:
    return tuple(_t(name).split("|"))


def _record(paper: Paper) -> tuple[Block, ...]:
    facts, blank = paper.facts, _t("blank")
    size = f"{sum(file.size for file in facts.files):,}".replace(",", ".")
    amount = _t("amount_value").format(files=len(facts.files), size=size)
    person = ((_t("id_paper"), blank), (_t("address"), blank))
    return (
        Title(_t("record_title"), is_paper=True),
        Fields(((_t("record_place"), blank),)),
        Paragraph(_t("record_today")),
        Heading(_t("giver")),
        Fields(((_t("name"), paper.giver), *person)),
        Heading(_t("receiver")),
        Fields(((_t("name"), blank), *person)),
        Heading(_t("witness")),
        Fields(((_t("name"), blank),)),
        Paragraph(_t("record_agree")),
        Heading(_t("what")),
        Fields(
            (
                (_t("case_id"), facts.case_id),
                (_t("why"), paper.reason),
                (_t("site"), facts.site),
                (_t("exported"), _t("vietnam").format(time=paper.made_at)),
                (_t("amount"), amount),
                (_t("seal"), facts.seal_sha256),
                (_t("key"), paper.key_sha256),
            )
        ),
        Heading(_t("how")),
        Paragraph(_t("how_value").format(software=paper.software)),
        Heading(_t("medium")),
        Fields(
            tuple((_t(f"medium_{each}"), blank) for each in ("kind", "serial", "seal", "state"))
        ),
        Paragraph(_t("closing")),
        Signatures((_t("sign_giver"), _t("sign_receiver"), _t("sign_witness"))),
    )


def _origin(paper: Paper) -> tuple[Block, ...]:
    facts = paper.facts
    recorded = "recorded_by_upload" if facts.mode is Mode.UPLOAD else "recorded_by_value"
    rows = [
        (_t("origin_by"), paper.giver),
        (_t("case_id"), facts.case_id),
        (_t("recorded_by"), _t(recorded).format(site=facts.site)),
        (_t("mode"), words("vi")["mode"][facts.mode.value]),
        (_t("basis"), basis_shown(facts.basis, "vi")),
        (_t("opened"), _t("vietnam").format(time=local_time(facts.opened_at))),
        (_t("duration"), length(facts.duration_s, "vi")),
        (_t("subscriber"), facts.subscriber or _t("unknown")),
        (_t("caller"), f"{caller_shown(facts, 'vi')}. {_t('caller_warning')}"),
        (_t("caller_source"), _source(facts)),
        (_t("flags"), _flags(facts)),
        (_t("software"), paper.software),
        (_t("complete"), _t("complete_yes" if facts.is_complete else "complete_no")),
        (_t("clock"), _t("clock_value")),
        (_t("integrity"), _t("integrity_value")),
        (_t("purpose"), _t("blank")),
    ]
    return (
        Title(_t("origin_title"), is_paper=True),
        Fields(tuple(rows)),
        Paragraph(_t("origin_closing")),
        Signatures(("", _t("origin_sign"))),
    )


def _source(facts: CaseFacts) -> str:
    if facts.caller.source_header is None:
        return _t("none")
    share = round(facts.caller.confidence * 100)
    return _t("caller_source_value").format(header=facts.caller.source_header, share=share)


def _flags(facts: CaseFacts) -> str:
    known = words("vi")["flag"]
    return "; ".join(known.get(flag, flag) for flag in facts.caller.flags) or _t("none")


def _verdict(paper: Paper) -> tuple[Block, ...]:
    verdict, label = paper.facts.verdict, words("vi")["label"]
    score = f"{verdict.score:.2f}".replace(".", ",")
    signs = {False: _t("reason_for"), True: _t("reason_against")}
    reasons = [Paragraph(signs[r.is_against].format(text=r.text_vi)) for r in verdict.reasons]
    blocks: list[Block] = [
        Title(_t("verdict_title"), is_first=True),
        Paragraph(_t("verdict_is").format(label=label[verdict.label.value]), is_strong=True),
        Paragraph(_t("verdict_note").format(score=score)),
        Fields(((_t("pretexts"), pretexts(paper.facts, "vi")),)),
        Heading(_t("reasons")),
        *(reasons or [Paragraph(_t("none"))]),
        Heading(_t("engines")),
        Table(_headers("engine_headers"), (32, 52, 40, 46), tuple(map(_engine, paper.heard))),
    ]
    if paper.facts.unheard_s > 0:
        seconds = f"{paper.facts.unheard_s:.1f}".replace(".", ",")
        blocks.append(Paragraph(_t("unheard").format(seconds=seconds)))
    return tuple(blocks)


def _engine(heard: Heard) -> tuple[str, ...]:
    notes = [
        _t("engine_leads") if heard.is_leading else "",
        _t("engine_demo") if heard.is_demonstration_model else "",
        _t("engine_failed").format(why=heard.failure) if heard.failure else "",
    ]
    judged = words("vi")["label"][heard.verdict.label.value] if heard.verdict else "–"
    when = _t("engine_live" if heard.is_live else "engine_after")
    return (when, f"{heard.engine}, {heard.model}", judged, "; ".join(filter(None, notes)))


def _passages(paper: Paper) -> tuple[Block, ...]:
    """Sentences in which a phrase of the rulebook, or the wording, speaks against the caller."""
    facts = paper.facts
    signs: dict[_Place, dict[str, list[str]]] = {}
    for hit in from_caller(facts):
        if hit.stage in _INCRIMINATING and not hit.quoted:
            place = _around(hit.leg, hit.start_s, facts.utterances)
            place = place or (hit.start_s, hit.end_s, hit.leg, hit.heard)
            what = words("vi")["stage"][hit.stage.value]
            signs.setdefault(place, {}).setdefault(what, []).append(hit.heard)
    for reason in facts.verdict.reasons:
        for said in reason.passages if not reason.is_against else ():
            place = _around(said.leg, said.start_s, facts.utterances)
            place = place or (said.start_s, said.end_s, said.leg, said.text)
            signs.setdefault(place, {}).setdefault(_t("wording"), []).extend(said.terms)
    rows = tuple(
        (_span(start_s, end_s), _who(leg), text, _signs(found))
        for (start_s, end_s, leg, text), found in sorted(signs.items(), key=lambda e: e[0][:2])
    )
    leading = next((each.engine for each in paper.heard if each.is_leading), _t("unknown"))
    shown = Table(_headers("passages_headers"), (32, 22, 68, 48), rows) if rows else None
    return (
        Title(_t("passages_title")),
        Paragraph(_t("passages_note").format(engine=leading)),
        shown or Paragraph(_t("none")),
    )


def _signs(found: Mapping[str, Sequence[str]]) -> str:
    """``đe dọa: “sẽ bị thu hồi”``; words that lie within other words of the same kind left out."""
    said = []
    for what, heard in found.items():
        longest = [each for each in heard if not any(each in o and each != o for o in heard)]
        quotes = ", ".join(f"“{each}”" for each in dict.fromkeys(longest))
        said.append(_t("sign").format(what=what, heard=quotes) if quotes else what)
    return "; ".join(said)


def _around(leg: LegName, at_s: float, utterances: Sequence[Utterance]) -> _Place | None:
    """The sentence of ``leg`` that runs at a time."""
    for each in utterances:
        if each.leg is leg and each.words:
            start_s, end_s = each.words[0].start_s, each.words[-1].end_s
            if start_s <= at_s <= end_s:
                return start_s, end_s, leg, each.text
    return None


def _transcript(heard: Heard) -> tuple[Block, ...]:
    spoken = sorted(
        (u for u in heard.utterances if u.words and u.leg not in OUR_VOICE),
        key=lambda u: (u.words[0].start_s, u.leg.value),
    )
    rows = tuple(
        (_span(u.words[0].start_s, u.words[-1].end_s), _who(u.leg), u.text) for u in spoken
    )
    return (
        Title(_t("transcript_title")),
        Paragraph(_t("transcript_note").format(engine=heard.engine, model=heard.model)),
        Table(_headers("transcript_headers"), (32, 22, 116), rows)
        if rows
        else Paragraph(_t("transcript_empty")),
    )


def _span(start_s: float, end_s: float) -> str:
    return f"{position(start_s)} – {position(end_s)}".replace(".", ",")


def _who(leg: LegName) -> str:
    return words("vi")["leg"][leg.value]


def _files(paper: Paper) -> tuple[Block, ...]:
    facts = paper.facts
    rows = tuple(
        (str(n), file.path, f"{file.size:,}".replace(",", "."), file.sha256)
        for n, file in enumerate(facts.files, 1)
    )
    return (
        Title(_t("files_title")),
        Paragraph(_t("files_note").format(case_id=facts.case_id)),
        Table(_headers("files_headers"), (9, 45, 20, 96), rows, is_fine=True),
        Title(_t("check_title")),
        Paragraph(_t("check_value")),
        Fields(((_t("seal"), facts.seal_sha256), (_t("key"), paper.key_sha256))),
    )
