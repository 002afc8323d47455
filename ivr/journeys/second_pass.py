"""Hearing a finished call a second time with another recogniser, and what both together say.

Each transcript is judged on its own; hits of the two are never mixed, so no case is made that
neither heard. What both say together is a function of the two judged transcripts (`combine`).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import structlog

from ivr.errors import IvrError
from ivr.facts.judgement import Label, Level, PhraseHit, Reason, SecondOpinion, Verdict
from ivr.facts.speech import Utterance
from ivr.recognition.model import ModelInfo
from ivr.spotting.syllable import canonical

SAME_WORDS: Final = 0.35
"""Share of pairs of neighbouring syllables that two transcripts of the same words have in common
at least. Two recognisers with 15 % errors each share half of them; where one does not understand
the voice (people for the demonstration model, synthesisers for viet-asr) it was 0 to 0.21."""
RANKS: Final = (Level.NONE, Level.LIVE, Level.FILING)
HELD_BELOW: Final = 0.01


@dataclass(frozen=True, slots=True)
class Judged:
    """One recogniser's transcript of a call and the verdict on it alone."""

    model: ModelInfo
    utterances: tuple[Utterance, ...]
    hits: tuple[PhraseHit, ...]
    verdict: Verdict

    @property
    def pairs(self) -> Counter[tuple[str, str]]:
        """Neighbouring syllables of each utterance."""
        found: Counter[tuple[str, str]] = Counter()
        for utterance in self.utterances:
            spoken = canonical(utterance.text).split()
            found.update(pairwise(spoken))
        return found


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a call once everybody has listened.

    Args:
        first: what the engine that heard the call live makes of it.
        second: the other engine's; None when it did not, or could not, listen.
        opinion: the second engine in the words of a report; None when there is none.
        verdict: the final one; its reasons index into the hits of ``leading``.
    """

    first: Judged
    second: Judged | None
    opinion: SecondOpinion | None
    verdict: Verdict

    @property
    def leading(self) -> Judged:
        is_second = self.opinion is not None and self.opinion.is_leading
        return self.second if is_second and self.second is not None else self.first


async def hear_again(
    first: Judged,
    model: ModelInfo | None,
    listen: Callable[[], Awaitable[Judged]],
    filing_threshold: float,
    max_s: float,
    log: structlog.stdlib.BoundLogger,
) -> Findings:
    """Both together; the first alone when there is no second, or it fails or takes too long.

    Args:
        model: of the second engine; None: nobody listens again.
        listen: lets it listen and judges what it heard.
    """
    if model is None:
        return Findings(first, None, None, first.verdict)
    try:
        async with asyncio.timeout(max_s):
            second = await listen()
    except IvrError as problem:  # the case is sealed all the same, and says so
        log.error("second_pass.failed", **problem.as_dict())
        return failed(first, model, f"{problem.what} {problem.why}")
    except TimeoutError:
        log.error("second_pass.failed", what="it took too long", max_s=max_s)
        return failed(first, model, f"not done within {max_s:.0f} s")
    except Exception as problem:  # whatever happens here must not keep a case open
        log.exception("second_pass.failed")
        return failed(first, model, f"{type(problem).__name__}: {problem}")
    return combine(first, second, filing_threshold)


def failed(first: Judged, model: ModelInfo, why: str) -> Findings:
    """The first transcript stands alone, and the findings say why."""
    return Findings(first, None, replace(_opinion(model, None), failure=why), first.verdict)


def combine(first: Judged, second: Judged, filing_threshold: float) -> Findings:
    """The transcript with the higher level leads, the first of equals. What it would file is held
    at the live level when the other suspects nothing and has a say (`_speaks_against`)."""
    is_second = _rank(second) > _rank(first) or (
        _rank(second) == _rank(first)
        and first.verdict.label is Label.UNSURE
        and second.verdict.label is not Label.UNSURE
    )
    leading, other = (second, first) if is_second else (first, second)
    verdict = leading.verdict
    if verdict.level is Level.FILING and _speaks_against(other, leading, is_other_first=is_second):
        verdict = replace(
            verdict,
            label=Label.SUSPICIOUS,
            level=Level.LIVE,
            score=round(min(verdict.score, filing_threshold - HELD_BELOW), 4),
            filing_at_s=None,
        )
    told = _told(leading, other, is_held=verdict is not leading.verdict)
    verdict = replace(verdict, reasons=(*verdict.reasons, told))
    opinion = replace(_opinion(second.model, second.verdict), is_leading=is_second)
    return Findings(first, second, opinion, verdict)


def _rank(judged: Judged) -> int:
    return RANKS.index(judged.verdict.level)


def _speaks_against(other: Judged, leading: Judged, *, is_other_first: bool) -> bool:
    """Whether a transcript without suspicion counts against one that would be filed.

    When both heard the same words, always. When they heard different words, one of them does not
    understand the voice: then the second cannot take back what the first, the operator's choice,
    has heard, and cannot file over it either, unless the first is a demonstration's.
    """
    if other.verdict.level is not Level.NONE or other.verdict.label is Label.UNSURE:
        return False
    if agreement(leading, other) >= SAME_WORDS:
        return True
    is_outranked = other.model.is_demonstration and not leading.model.is_demonstration
    return is_other_first and not is_outranked


def agreement(one: Judged, other: Judged) -> float:
    """0 to 1: how far two transcripts hold the same words, whatever the order of the utterances;
    linear in their length."""
    pairs, others = one.pairs, other.pairs
    smaller = min(pairs.total(), others.total())
    return (pairs & others).total() / smaller if smaller else 0.0


def _told(leading: Judged, other: Judged, *, is_held: bool) -> Reason:
    """Which engine heard what, as the last reason of the verdict."""
    a, b = leading.model.name, other.model.name
    heard_vi = f"{b} nghe riêng: {other.verdict.label.value} ({other.verdict.score:.2f})"
    heard_en = f"{b} on its own: {other.verdict.label.value} ({other.verdict.score:.2f})"
    if is_held:
        return Reason(
            "second_pass.contradicts",
            f"Hai máy nhận dạng không thống nhất nên không gửi báo cáo. {a} nghe thấy dấu hiệu; "
            f"{heard_vi}.",
            f"The two recognisers disagree, so nothing is filed. {a} heard signs; {heard_en}.",
            (),
            is_against=True,
        )
    if other.verdict.level is not Level.NONE or leading.verdict.level is Level.NONE:
        code, vi, en = "agrees", "không trái với kết luận này", "goes along with it"
    else:
        code, vi, en = "differs", "không đủ để phản bác", "is not enough to contradict"
    return Reason(
        f"second_pass.{code}",
        f"Căn cứ vào bản nghe của {a}. {heard_vi}, {vi}.",
        f"Rests on what {a} heard. {heard_en}, which {en}.",
        (),
    )


def _opinion(model: ModelInfo, verdict: Verdict | None) -> SecondOpinion:
    return SecondOpinion(
        engine=model.engine,
        model_name=model.name,
        model_sha256=model.sha256,
        is_demonstration_model=model.is_demonstration,
        verdict=verdict,
    )
