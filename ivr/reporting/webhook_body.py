"""A case as JSON for an operator's computer; the form is ``config/schema/report-1.schema.json``.

Members are added, never renamed or given another meaning; a breaking change gets a new number.
"""

import hashlib
import json
from typing import Any

from ivr.clock import to_iso
from ivr.facts.reports import CaseFacts, Wish
from ivr.locale import words
from ivr.reporting.case_words import from_caller
from ivr.reporting.numbers import is_own
from ivr.reporting.sms import Keyword

SCHEMA = "ivr.report/1"
TEMPLATE_SHA256 = hashlib.sha256(SCHEMA.encode()).hexdigest()
_MOST_QUOTES = 100
_QUOTE_LETTERS = 160


def webhook_body(facts: CaseFacts, keyword: Keyword, report_id: str) -> str:
    """Compact JSON, members sorted: the same case gives the same bytes, so a receiver may compare
    repetitions."""
    label = words("vi")["label"][facts.verdict.label.value]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "report_id": report_id,
        "case_id": facts.case_id,
        "site": facts.site,
        "keyword": keyword,
        "statement_vi": f"Cuộc gọi: {label}",
        "is_reported_by_subscriber": facts.wish is Wish.REPORT,
        "call": {
            "mode": facts.mode.value,
            "opened_at": to_iso(facts.opened_at),
            "duration_s": round(facts.duration_s, 2),
            "is_complete": facts.is_complete,
            "called_number": facts.subscriber,
        },
        "caller": _caller(facts),
        "verdict": _verdict(facts),
        "heard": _heard(facts),
        "recogniser": {
            "model": facts.model_name,
            "is_demonstration": facts.is_demonstration_model,
            "unheard_s": round(facts.unheard_s, 2),
        },
        "files": [
            {"path": f.path, "size": f.size, "sha256": f.sha256, "media_type": f.media_type}
            for f in facts.files
        ],
        "seal_sha256": facts.seal_sha256,
    }
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _caller(facts: CaseFacts) -> dict[str, Any]:
    caller = facts.caller
    return {
        # As everywhere: the subscriber's own number is never named as the caller's.
        "number": None if is_own(caller.number, facts.subscriber) else caller.number,
        "source_header": caller.source_header,
        "confidence": round(caller.confidence, 3),
        "flags": list(caller.flags),
    }


def _verdict(facts: CaseFacts) -> dict[str, Any]:
    verdict = facts.verdict
    return {
        "label": verdict.label.value,
        "level": verdict.level.value,
        "score": round(verdict.score, 3),
        "pretexts": list(verdict.pretexts),
        "rulebook_sha256": verdict.rulebook_sha256,
        "reasons": [
            {
                "code": reason.code,
                "text_vi": reason.text_vi,
                "text_en": reason.text_en,
                "is_against": reason.is_against,
            }
            for reason in verdict.reasons
        ],
    }


def _heard(facts: CaseFacts) -> list[dict[str, Any]]:
    hits = sorted(from_caller(facts), key=lambda hit: (hit.start_s, hit.phrase_id))
    return [
        {
            "leg": hit.leg.value,
            "start_s": round(hit.start_s, 2),
            "end_s": round(hit.end_s, 2),
            "stage": hit.stage.value,
            "concept": hit.concept,
            "quote": hit.heard[:_QUOTE_LETTERS],
        }
        for hit in hits[:_MOST_QUOTES]
    ]
