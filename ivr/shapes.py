"""The JSON shapes that outside programs rely on: keys are added, never renamed.

Seconds are rounded to 2 decimals, scores and confidences to 3, so that the same call gives the
same bytes.
"""

from collections.abc import Sequence
from typing import Any

from ivr.clock import to_iso
from ivr.facts.call import Identity
from ivr.facts.judgement import Passage, PhraseHit, Stage, Verdict
from ivr.facts.replies import KeptReply
from ivr.facts.reports import Delivery
from ivr.facts.rights import LawfulBasis
from ivr.facts.speech import Utterance

Json = dict[str, Any]

# Stages of the published contract; the others are evidence against, or for an advert.
_SCAM_STAGES = frozenset(Stage) - {Stage.COUNTER, Stage.ADVERT}


def _seconds(value: float) -> float:
    return round(value, 2)


def transcript(utterances: Sequence[Utterance], *, timed: bool = True) -> list[Json]:
    """Final utterances in order of time; ``timed`` False leaves out the audio fields."""
    return [_utterance(utterance, timed) for utterance in utterances if utterance.words]


def _utterance(utterance: Utterance, timed: bool) -> Json:
    if not timed:
        return {"channel": str(utterance.leg), "text": utterance.text}
    words = utterance.words
    return {
        "channel": str(utterance.leg),
        "start_s": _seconds(words[0].start_s),
        "end_s": _seconds(words[-1].end_s),
        "text": utterance.text,
        "confidence": round(sum(word.confidence for word in words) / len(words), 3),
        "words": [
            {
                "text": word.text,
                "start_s": _seconds(word.start_s),
                "end_s": _seconds(word.end_s),
                "confidence": round(word.confidence, 3),
            }
            for word in words
        ],
    }


def identity(shown: Identity) -> Json:
    """One identity header as it came, and what was read from it."""
    return {
        "header": shown.header,
        "raw": shown.raw,
        "e164": shown.e164,
        "confidence": round(shown.confidence, 3),
        "flags": list(shown.flags),
        "decoded": shown.decoded,
    }


def hit(found: PhraseHit, *, timed: bool = True) -> Json:
    """One phrase hit."""
    shape: Json = {
        "phrase_id": found.phrase_id,
        "concept": found.concept,
        "stage": str(found.stage),
        "heard": found.heard,
        "channel": str(found.leg),
        "score": round(found.score, 3),
        "negated": found.negated,
        "pretext": found.pretext,
    }
    if timed:
        shape["start_s"] = _seconds(found.start_s)
        shape["end_s"] = _seconds(found.end_s)
    return shape


def verdict(judged: Verdict, *, timed: bool = True) -> Json:
    """The verdict with its reasons."""
    shape: Json = {
        "label": str(judged.label),
        "level": str(judged.level),
        "score": round(judged.score, 3),
        "pretexts": list(judged.pretexts),
        "stages": [str(stage) for stage in judged.stages if stage in _SCAM_STAGES],
        "reasons": [
            {
                "code": reason.code,
                "text_vi": reason.text_vi,
                "text_en": reason.text_en,
                "hits": list(reason.hits),
                "is_against": reason.is_against,
                "passages": [_passage(one, timed) for one in reason.passages],
            }
            for reason in judged.reasons
        ],
    }
    if timed:
        shape["live_at_s"] = None if judged.live_at_s is None else _seconds(judged.live_at_s)
        shape["filing_at_s"] = None if judged.filing_at_s is None else _seconds(judged.filing_at_s)
    return shape


def _passage(said: Passage, timed: bool) -> Json:
    shape: Json = {"channel": str(said.leg), "text": said.text, "terms": list(said.terms)}
    if timed:
        shape["start_s"] = _seconds(said.start_s)
        shape["end_s"] = _seconds(said.end_s)
    return shape


def lawful_basis(basis: LawfulBasis | None) -> Json | None:
    """On what ground a case was recorded; None: its manifest does not say."""
    if basis is None:
        return None
    notice, consent = basis.notice, basis.consent
    return {
        "ground": str(basis.ground),
        "stated": basis.stated,
        "notice": notice
        and {
            "at": to_iso(notice.at),
            "language": notice.language,
            "prompt": notice.prompt,
            "text": notice.text,
            "is_whole": notice.is_whole,
        },
        "consent": consent and {"version": consent.version, "given_on": consent.given_on},
    }


def delivery(entry: Delivery) -> Json:
    """One report in the outbox."""
    return {
        "report_id": entry.report_id,
        "case_id": entry.case_id,
        "channel": str(entry.channel),
        "recipient": entry.recipient_id,
        "state": str(entry.state),
        "attempts": entry.attempts,
        "provider_reference": entry.provider_reference,
        "last_error": entry.last_error,
    }


def reply(kept: KeptReply) -> Json:
    """What came back about a report; ``raw`` in hexadecimal digits, as it came."""
    entry = kept.reply
    return {
        "reply_id": entry.reply_id,
        "report_id": kept.report_id,
        "effect": kept.effect,
        "channel": str(entry.channel),
        "kind": str(entry.kind),
        "from": entry.sender,
        "received_at": to_iso(entry.received_at),
        "coding": entry.coding,
        "word": entry.word,
        "raw": entry.raw.hex(),
    }
