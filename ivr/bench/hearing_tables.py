"""The tables of `ivr bench hearing`: computed once as plain rows, printed as JSON or Markdown."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ivr.bench import relations
from ivr.bench.counting import Errors, Matched, Rate, match
from ivr.bench.hearing import Heard, Hearing
from ivr.bench.verdict import Outcome, count, wilson
from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit

SLACK_S: Final = 1.5
"""Word times of the text are spread evenly over a turn; so far may sound be from them."""

TARGETS: Final = ("cong_an", "thu_hoi_so_thue_bao", "chuyen_tien")

PRETEXT_GROUPS: Final = {
    "the three of the dispatch": "subscription_revoked identity_social_media drug_ring",
    "other authority": "court_summons prosecutor police_handover money_laundering traffic_fine "
    "fire_books land_records military_order tax vneid_update health_insurance social_insurance",
    "services": "electricity telecom_debt sim_upgrade call_forward parcel_customs school_fee "
    "app_install",
    "bank and credit": "bank_card fake_bank_clerk otp loan_app wrong_membership",
    "gain": "prize investment job_tasks insurance_payout refund_recovery",
    "people": "child_hospital virtual_kidnap boss_impersonation friend_impersonation "
    "romance_gift charity",
}
_GROUP_OF: Final = {
    pretext: group for group, pretexts in PRETEXT_GROUPS.items() for pretext in pretexts.split()
}

Row = dict[str, Any]


def figures(hearing: Hearing) -> Row:
    """Everything that was measured, for ``--json``. No words of any call."""
    calls = hearing.calls
    return {
        "speech": list(hearing.worlds),
        "calls": len(calls),
        "calls_left_out": hearing.skipped,
        "audio_hours": round(hearing.audio_s / 3600, 3),
        "seconds": round(hearing.seconds, 1),
        "model": {
            "name": hearing.model.name,
            "sha256": hearing.model.sha256,
            "is_demonstration": hearing.model.is_demonstration,
        },
        "rulebook_sha256": hearing.rulebook_sha256,
        "syllable_errors": syllable_errors(calls),
        "phrases": phrases(calls),
        "verdict": verdicts(calls),
        "audio": relations.as_json([heard.audio for heard in calls]),
        "text": relations.as_json([heard.text for heard in calls]),
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """One leg of one call."""

    heard: Heard
    leg: LegName

    @property
    def errors(self) -> Errors:
        return self.heard.errors[self.leg]


_SPLITS: Final[tuple[tuple[str, Callable[[_Side], str]], ...]] = (
    ("speaker", lambda side: str(side.leg)),
    ("region", lambda side: side.heard.call.dialogue.region),
    ("voice", lambda side: side.heard.call.legs[side.leg].variant),
    ("noise", lambda side: side.heard.call.legs[side.leg].noise),
    ("codec", lambda side: side.heard.call.codec),
    ("packets lost", lambda side: f"{side.heard.call.loss:.0%}"),
)


def syllable_errors(calls: Sequence[Heard]) -> list[Row]:
    """Syllable error rates over all legs, then by each split."""
    sides = [_Side(heard, leg) for heard in calls for leg in heard.errors]
    rows = [_error_row("all", sides)]
    for title, key in _SPLITS:
        rows += [
            _error_row(f"{title} {value}", [side for side in sides if key(side) == value])
            for value in sorted({key(side) for side in sides})
        ]
    return rows


def _error_row(group: str, sides: Iterable[_Side]) -> Row:
    legs, total = 0, Errors()
    for side in sides:
        legs, total = legs + 1, total + side.errors
    return {
        "group": group,
        "legs": legs,
        "syllables": total.said,
        "error": _rounded(total.rate),
        "error_without_tone": _rounded(total.toneless_rate),
        "substituted": total.substituted,
        "deleted": total.deleted,
        "inserted": total.inserted,
    }


def phrases(calls: Sequence[Heard]) -> list[Row]:
    """Recall over all calls; false alarms in the ordinary ones, per hour of talk."""
    return [_phrase_row(concept, calls) for concept in TARGETS] + [_phrase_row(None, calls)]


def _phrase_row(concept: str | None, calls: Sequence[Heard]) -> Row:
    said = found = false = 0
    hours = 0.0
    for heard in calls:
        one = _matched(concept, heard)
        said, found = said + one.said, found + one.found
        if heard.call.dialogue.label != "scam":
            false += one.false
            hours += heard.call.talk_s / 3600
    return {
        "concept": concept or "all concepts",
        "said": said,
        "found": found,
        "recall": _rounded(found / said if said else math.nan),
        "recall_interval": _interval(found, said),
        "false_alarms": false,
        "ordinary_hours": round(hours, 3),
        "false_alarms_per_hour": [_rounded(value) for value in Rate(false, hours).per(1)],
    }


def _matched(concept: str | None, heard: Heard) -> Matched:
    def chosen(hits: Sequence[PhraseHit]) -> list[PhraseHit]:
        return [hit for hit in hits if concept in (None, hit.concept)]

    return match(chosen(heard.text_hits), chosen(heard.hits), SLACK_S)


def verdicts(calls: Sequence[Heard]) -> list[Row]:
    """Precision and recall at both levels on sound, recall on text beside it; all, regions, then
    groups of pretexts (recall only: an ordinary call has no pretext)."""
    rows = [_verdict_row("all", calls)]
    for region in sorted({heard.call.dialogue.region for heard in calls}):
        chosen = [heard for heard in calls if heard.call.dialogue.region == region]
        rows.append(_verdict_row(f"region {region}", chosen))
    scams = [heard for heard in calls if heard.call.dialogue.label == "scam"]
    for group in (*PRETEXT_GROUPS, "other"):
        chosen = [one for one in scams if group_of(one.call.dialogue.pretext) == group]
        if chosen:
            rows.append(_verdict_row(f"pretext: {group}", chosen))
    return rows


def group_of(pretext: str) -> str:
    """The group that a pretext of the dialogue set is counted in."""
    return _GROUP_OF.get(pretext, "other")


def _verdict_row(group: str, calls: Sequence[Heard]) -> Row:
    row: Row = {"group": group}
    for world, outcomes in (
        ("audio", [heard.audio.outcome for heard in calls]),
        ("text", [heard.text.outcome for heard in calls]),
    ):
        row[world] = _levels(outcomes)
    return row


def _levels(outcomes: Sequence[Outcome]) -> Row:
    counted = count("", outcomes)
    found: Row = {"scams": counted.scams, "others": counted.others}
    for level, right, wrong in (
        ("filing", counted.filed, counted.false_filed),
        ("live", counted.warned, counted.false_warned),
    ):
        found[level] = {
            "right": right,
            "wrong": wrong,
            "precision": _rounded(right / (right + wrong) if right + wrong else math.nan),
            "precision_interval": _interval(right, right + wrong),
            "recall": _rounded(right / counted.scams if counted.scams else math.nan),
            "recall_interval": _interval(right, counted.scams),
        }
    return found


def _interval(part: int, whole: int) -> list[float]:
    return [round(end, 4) for end in wilson(part, whole)]


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def render(hearing: Hearing) -> str:
    """The tables in Markdown."""
    shown = figures(hearing)
    model = shown["model"]
    note = ", the demonstration model" if model["is_demonstration"] else ""
    left_out = f"; no time for {hearing.skipped} more" if hearing.skipped else ""
    head = (
        f"World: {', '.join(hearing.worlds) or 'none'}. {shown['calls']} calls, "
        f"{shown['audio_hours']:.2f} h{left_out}. Model {model['name']}{note} "
        f"({model['sha256'][:12]}), rulebook {hearing.rulebook_sha256[:12]}."
    )
    return "\n\n".join(
        [
            head,
            _error_table(shown["syllable_errors"]),
            _phrase_table(shown["phrases"]),
            _verdict_table(shown["verdict"]),
            "On sound\n" + relations.render([heard.audio for heard in hearing.calls]),
            "The same calls as text\n" + relations.render([heard.text for heard in hearing.calls]),
        ]
    )


def _error_table(rows: Sequence[Row]) -> str:
    return _markdown(
        ("group", "legs", "syllables", "error", "tones ignored", "wrong", "lost", "added"),
        (
            (
                row["group"],
                row["legs"],
                row["syllables"],
                _share(row["error"]),
                _share(row["error_without_tone"]),
                row["substituted"],
                row["deleted"],
                row["inserted"],
            )
            for row in rows
        ),
    )


def _phrase_table(rows: Sequence[Row]) -> str:
    return _markdown(
        ("concept", "found", "recall", "95 %", "false alarms", "per hour of ordinary talk", "95 %"),
        (
            (
                row["concept"],
                f"{row['found']} of {row['said']}",
                _share(row["recall"]),
                _range(row["recall_interval"], "{:.1%}"),
                f"{row['false_alarms']} in {row['ordinary_hours']:.2f} h",
                _number(row["false_alarms_per_hour"][0]),
                _range(row["false_alarms_per_hour"][1:], "{:.1f}"),
            )
            for row in rows
        ),
    )


def _verdict_table(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Iterable[object]:
        audio, text = row["audio"], row["text"]
        yield from (row["group"], audio["scams"], audio["others"])
        for level in ("filing", "live"):
            at = audio[level]
            sure = f"{_range(at['precision_interval'], '{:.0%}')}, {at['wrong']} wrong"
            yield f"{_share(at['precision'])} ({sure})" if audio["others"] else "–"
            yield f"{_share(at['recall'])} ({_range(at['recall_interval'], '{:.0%}')})"
        for level in ("filing", "live"):
            yield _share(text[level]["recall"])

    levels = ("filing P (95 %)", "filing R (95 %)", "live P (95 %)", "live R (95 %)")
    head = ("group", "scams", "others", *levels, "text: filing R", "text: live R")
    return _markdown(head, map(cells, rows))


def _markdown(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    ruler = "|---|" + "---:|" * (len(head) - 1)
    lines = [" | ".join(str(cell) for cell in row) for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", ruler, *(f"| {line} |" for line in lines)])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _range(ends: Sequence[float | None], form: str) -> str:
    return "–".join("?" if end is None else form.format(end) for end in ends)
