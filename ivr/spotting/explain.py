"""Why a text matched or did not, word by word and slot by slot, for `ivr rules explain`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit
from ivr.spotting.alignment import Step, align
from ivr.spotting.rulebook import Phrase
from ivr.spotting.spotter import Spotter
from ivr.spotting.syllable import parse
from ivr.spotting.template import GAP, Variant, is_list
from ivr.spotting.tokens import tokenize, utterances_from_turns

ALIGNED: Final = 60  # variants worth a full comparison
SHOWN: Final = 6  # near phrases in an explanation


@dataclass(frozen=True, slots=True)
class Candidate:
    """The best variant of one phrase against the text.

    Args:
        steps: word by word, with the cost of each part of the syllable.
        mean: cost by slot; ``worst``: its dearest word; ``limits``: what both may be.
        is_hit: whether the phrase was found.
        why: one sentence, English.
        why_vi: the same in Vietnamese.
    """

    phrase_id: str
    concept: str
    line: int
    variant: str
    steps: tuple[Step, ...]
    mean: float
    worst: float
    limits: tuple[float, float]
    is_hit: bool
    why: str
    why_vi: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found in a text, and the phrases that came near."""

    text: str
    tokens: tuple[str, ...]
    hits: tuple[PhraseHit, ...]
    candidates: tuple[Candidate, ...]


def explain(spotter: Spotter, text: str) -> Explanation:
    """Compare a text with the rulebook; what was found comes first, then the nearest misses."""
    utterance = utterances_from_turns([(LegName.CALLER, text)])[0]
    tokens = [token.text for token in tokenize(utterance)]
    hits = spotter.spot([utterance])
    found = {hit.phrase_id for hit in hits}
    best: dict[str, Candidate] = {}
    names = _near_words(spotter, tokens)
    lists = {
        name: [item for item in items if names.issuperset(item)]
        for name, items in spotter.rulebook.lists.items()
    }
    for phrase, variant in _promising(spotter, names, found):
        candidate = _compare(
            spotter, phrase, variant, tokens, lists, is_hit=phrase.phrase_id in found
        )
        known = best.get(phrase.phrase_id)
        if known is None or (candidate.mean, -len(candidate.steps)) < (
            known.mean,
            -len(known.steps),
        ):
            best[phrase.phrase_id] = candidate
    ranked = sorted(best.values(), key=lambda one: (not one.is_hit, one.mean, one.phrase_id))
    hit_count = sum(one.is_hit for one in ranked)
    return Explanation(text, tuple(tokens), hits, tuple(ranked[: hit_count + SHOWN]))


def _near_words(spotter: Spotter, tokens: Sequence[str]) -> set[str]:
    """Words and lists of the rulebook that sound like something in the text."""
    lexicon = spotter.matcher.automaton.lexicon
    near = {symbol for token in tokens for symbol, _ in lexicon.candidates(token)}
    return {name for name, number in lexicon.ids.items() if number in near}


def _promising(
    spotter: Spotter, names: set[str], found: set[str]
) -> Iterator[tuple[Phrase, Variant]]:
    """Variants most of whose words sound like something in the text."""
    ranked: list[tuple[float, int, Phrase, Variant]] = []
    for phrase in spotter.rulebook.phrases:
        for variant in phrase.variants:
            words = [symbol for symbol in variant if symbol != GAP]
            present = sum(symbol in names or is_list(symbol) for symbol in words)
            share = present / len(words)
            if share >= 0.5 and any(symbol in names for symbol in words):
                rank = share + (1.0 if phrase.phrase_id in found else 0.0)
                ranked.append((-rank, -len(words), phrase, variant))
    ranked.sort(key=lambda one: (one[0], one[1]))
    for _, _, phrase, variant in ranked[: ALIGNED + 40 * len(found)]:
        yield phrase, variant


def _compare(
    spotter: Spotter,
    phrase: Phrase,
    variant: Variant,
    tokens: Sequence[str],
    lists: Mapping[str, Sequence[Variant]],
    *,
    is_hit: bool,
) -> Candidate:
    rulebook = spotter.rulebook
    alignment = align(variant, tokens, lists, rulebook.matching)
    limit = (
        rulebook.matching.gap_limit
        if any(step.kind == "skipped" for step in alignment.steps)
        else spotter.matcher.limit(alignment.slots)
    )
    why, why_vi = _reason(
        alignment.steps, alignment.mean, alignment.worst, (limit.mean, limit.worst), is_hit=is_hit
    )
    return Candidate(
        phrase_id=phrase.phrase_id,
        concept=phrase.concept,
        line=phrase.line,
        variant=" ".join(variant),
        steps=alignment.steps,
        mean=round(alignment.mean, 4),
        worst=round(alignment.worst, 4),
        limits=(limit.mean, limit.worst),
        is_hit=is_hit,
        why=why,
        why_vi=why_vi,
    )


def _reason(
    steps: Sequence[Step], mean: float, worst: float, limits: tuple[float, float], *, is_hit: bool
) -> tuple[str, str]:
    if is_hit:
        return "matched", "khớp"
    lost = [step.expected for step in steps if step.kind == "missing"]
    if lost:
        listed = ", ".join(lost)
        return f"not said: {listed}", f"không nghe thấy: {listed}"
    if worst > limits[1]:
        far = max(steps, key=lambda step: step.cost)
        return (
            f"'{far.heard}' is too far from '{far.expected}': {far.cost:.3f} > {limits[1]:.3f}",
            f"'{far.heard}' khác '{far.expected}' quá nhiều: {far.cost:.3f} > {limits[1]:.3f}",
        )
    if mean > limits[0]:
        return (
            f"together too far: {mean:.3f} > {limits[0]:.3f}",
            f"cả câu khác quá nhiều: {mean:.3f} > {limits[0]:.3f}",
        )
    return (
        "a longer phrase, or a sound-alike of the concept, took these words",
        "một câu dài hơn, hoặc câu nghe giống của khái niệm, đã chiếm các từ này",
    )


def parts_text(parts: Mapping[str, float]) -> str:
    """The parts of a syllable that differ, dearest first."""
    differing = sorted(
        ((cost, name) for name, cost in parts.items() if cost > 0), key=lambda pair: -pair[0]
    )
    return ", ".join(f"{name} {cost:.3f}" for cost, name in differing)


def render(explanation: Explanation) -> str:
    """The explanation as text for a terminal."""
    lines = [f"heard as: {' '.join(explanation.tokens)}"]
    foreign = [token for token in explanation.tokens if parse(token) is None]
    if foreign:
        lines.append(f"no Vietnamese syllables: {' '.join(foreign)}")
    if not explanation.hits:
        lines.append("nothing was found")
    for hit in explanation.hits:
        marks = "".join([", negated" if hit.negated else "", ", quoted" if hit.quoted else ""])
        lines.append(
            f"found {hit.concept} ({hit.stage.value}{marks}) in '{hit.heard}', "
            f"score {hit.score:.2f}"
        )
    for one in explanation.candidates:
        sign = "+" if one.is_hit else "-"
        lines.append(f"{sign} {one.phrase_id} (line {one.line}): {one.variant}")
        lines.append(f"    {one.why} / {one.why_vi}")
        lines.append(
            f"    mean {one.mean:.3f} (limit {one.limits[0]:.3f}), "
            f"worst {one.worst:.3f} (limit {one.limits[1]:.3f})"
        )
        lines += [
            f"      {step.expected or '·':14} {step.heard or '·':14} {step.kind:9} "
            f"{step.cost:.3f} {parts_text(step.parts)}".rstrip()
            for step in one.steps
        ]
    return "\n".join(lines)
