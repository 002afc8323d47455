"""The mail to an authority: everything an officer needs before opening the recording."""

from collections.abc import Collection

from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Passage, PhraseHit, Stage
from ivr.facts.reports import CaseFacts, CaseFile, Wish
from ivr.locale import Language, digest, fill, words
from ivr.reporting.case_words import (
    caller_shown,
    from_caller,
    length,
    local_time,
    meanings,
    position,
    pretexts,
)

_QUOTE_LETTERS = 160
_TIMELINE_LINES = 60
TEMPLATE_SHA256 = digest(("vi", "mail.txt"), ("vi", "words.toml"))


def subject(facts: CaseFacts) -> str:
    """Without a number: subjects are shown on lock screens and kept in mail logs."""
    what = _what(facts, "vi")
    return f"Báo cáo cuộc gọi {what}, {local_time(facts.opened_at)}, mã vụ {facts.case_id}"


def body(
    facts: CaseFacts, recipient: str, too_large: Collection[str], *, english: bool = True
) -> str:
    """The text part.

    Args:
        recipient: the office's name.
        too_large: paths of case files that are listed but not attached.
        english: end with an English summary.
    """
    values = {
        **_call(facts, "vi"),
        "recipient": recipient,
        "mode": words("vi")["mode"][facts.mode.value],
        "caller_flags": _flags(facts),
        "subscriber": facts.subscriber or words("vi")["text"]["unknown_subscriber"],
        "complete": words("vi")["text"]["yes" if facts.is_complete else "no"],
        "score": f"{facts.verdict.score:.2f}".replace(".", ","),
        "reasons": _reasons(facts),
        "timeline": _timeline(facts),
        "files": _files(facts.files, too_large),
    }
    text = fill("vi", "mail.txt", values)
    if english:
        text += "\n" + fill("en", "mail_summary.txt", _call(facts, "en"))
    return text


def _call(facts: CaseFacts, language: Language) -> dict[str, str]:
    table = words(language)
    demands = meanings(facts, (Stage.DEMAND, Stage.INSTRUCTION), language)
    warning = table["text"]["demonstration"] if facts.is_demonstration_model else ""
    if facts.unheard_s > 0:
        lost = {"vi": "Chưa nhận dạng", "en": "Recorded but not recognised"}[language]
        warning = f"{warning}\n{lost}: {facts.unheard_s:.1f} s".strip()
    warning = f"{warning}\n{_second(facts, language)}".strip()
    return {
        "site": facts.site,
        "case_id": facts.case_id,
        "label": _what(facts, language),
        "opened": local_time(facts.opened_at),
        "duration": length(facts.duration_s, language),
        "caller": caller_shown(facts, language),
        "caller_source": _source(facts, language),
        "pretexts": pretexts(facts, language),
        "demands": "; ".join(demands) or table["text"]["none"],
        "model": facts.model_name,
        "model_warning": warning,
        "seal": facts.seal_sha256,
    }


def _what(facts: CaseFacts, language: Language) -> str:
    """What kind of call it was; when the verdict alone would not have reported it, who did."""
    table = words(language)
    label = table["label"][facts.verdict.label.value]
    is_own = facts.wish is Wish.REPORT and facts.verdict.label is not Label.SCAM
    return table["text"]["reported_by_subscriber"].format(label=label) if is_own else label


def _second(facts: CaseFacts, language: Language) -> str:
    """Which engine heard what after the call, and which of the two the quotes come from."""
    second = facts.second
    if second is None:
        return ""
    table = words(language)
    if second.verdict is None:
        return table["second"]["failed"].format(model=second.model_name, why=second.failure)
    values = {
        "model": second.model_name,
        "label": table["label"][second.verdict.label.value],
        "quoted": second.model_name if second.is_leading else facts.model_name,
    }
    warning = table["text"]["demonstration"] if second.is_demonstration_model else ""
    return f"{table['second']['heard'].format(**values)}\n{warning}".strip()


def _source(facts: CaseFacts, language: Language) -> str:
    header = facts.caller.source_header
    if header is None:
        return words(language)["text"]["none"]
    share = round(facts.caller.confidence * 100)
    if language == "vi":
        return f"tiêu đề SIP {header}, độ tin cậy {share} %"
    return f"SIP header {header}, confidence {share} %"


def _flags(facts: CaseFacts) -> str:
    known = words("vi")["flag"]
    return (
        "; ".join(known.get(flag, flag) for flag in facts.caller.flags)
        or words("vi")["text"]["none"]
    )


def _place(hit: PhraseHit) -> str:
    return _quoted(hit.leg, hit.start_s, hit.end_s, hit.heard)


def _said(passage: Passage) -> str:
    return _quoted(passage.leg, passage.start_s, passage.end_s, passage.text)


def _quoted(leg: LegName, start_s: float, end_s: float, heard: str) -> str:
    quote = heard if len(heard) <= _QUOTE_LETTERS else heard[:_QUOTE_LETTERS] + "…"
    who = words("vi")["leg"][leg.value]
    return f"[{position(start_s)}–{position(end_s)}, {who}] “{quote}”"


def _reasons(facts: CaseFacts) -> str:
    lines: list[str] = []
    for reason in facts.verdict.reasons:
        sign = "Điểm ngược lại: " if reason.is_against else ""
        lines.append(f"- {sign}{reason.text_vi}")
        lines += [f"  {_place(facts.hits[n])}" for n in reason.hits if n < len(facts.hits)]
        lines += [f"  {_said(passage)}" for passage in reason.passages]
    return "\n".join(lines) or words("vi")["text"]["none"]


def _timeline(facts: CaseFacts) -> str:
    hits = sorted(from_caller(facts), key=lambda hit: (hit.start_s, hit.phrase_id))
    lines = [f"{_place(hit)} ({words('vi')['stage'][hit.stage.value]})" for hit in hits]
    if len(lines) > _TIMELINE_LINES:
        left_out = len(lines) - _TIMELINE_LINES
        lines = [*lines[:_TIMELINE_LINES], f"… và {left_out} câu khác, xem tệp đính kèm"]
    return "\n".join(lines) or words("vi")["text"]["none"]


def _files(files: tuple[CaseFile, ...], too_large: Collection[str]) -> str:
    lines: list[str] = []
    for file in files:
        note = f" ({words('vi')['text']['too_large']})" if file.path in too_large else ""
        lines += [f"{file.path}  {file.size} byte{note}", f"  SHA-256 {file.sha256}"]
    return "\n".join(lines) or words("vi")["text"]["none"]
