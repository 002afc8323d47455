"""Leave one author out: every figure is of an author whom no part of the model has seen.

Levels are set for each author from the courses of the others.  The rulebook was made on the first
author's dialogues, so rules look better there than they are; figures are of the others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ivr.bench.counting import Rate
from ivr.bench.verdict import wilson
from ivr.facts.call import LegName
from ivr.facts.judgement import Level
from ivr.settings import VerdictSettings
from ivr.spotting.tokens import utterances_from_turns
from ivr.verdict.judge import SequenceJudge
from ivr.verdict.scorer_model import Hearing
from scorer_recipe.corpus import FIRST_AUTHOR, TWINS, Example, Mishearing
from scorer_recipe.learning import learn
from scorer_recipe.levels import Course, course, levels, rules_weight, scorer_of

Tell = Callable[[str], None]
MISHEARD = 0.2


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one judge on one group of dialogues."""

    scams: int
    others: int
    filed: int
    false_filed: int
    warned: int
    false_warned: int

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.scams + other.scams,
            self.others + other.others,
            self.filed + other.filed,
            self.false_filed + other.false_filed,
            self.warned + other.warned,
            self.false_warned + other.false_warned,
        )

    def shown(self) -> str:
        return " | ".join(
            (
                _share(self.filed, self.filed + self.false_filed),
                _share(self.filed, self.scams),
                _share(self.warned, self.warned + self.false_warned),
                _share(self.warned, self.scams),
            )
        )


def _share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part} of {whole} = {part / max(whole, 1):.3f} ({low:.2f}–{high:.2f})"


def by_thresholds(courses: Sequence[Course], found: dict[str, Any]) -> Score:
    """What levels make of courses."""
    filed = [one.is_filed(found) for one in courses]
    warned = [one.is_warned(found) for one in courses]
    return _count([one.example for one in courses], filed, warned)


def levels_of(found: Sequence["Fold"]) -> dict[str, Any]:
    """Levels from all these folds together."""
    heard = {
        Hearing.BOTH: [course for one in found for course in one.both],
        Hearing.ALONE: [course for one in found for course in one.caller],
        Hearing.MIXED: [course for one in found for course in one.mixed],
    }
    return levels(heard, rules_weight(heard[Hearing.BOTH]))


def by_rules(examples: Sequence[Example]) -> Score:
    """The phrases alone, with the levels of the settings."""
    judge = SequenceJudge(VerdictSettings())
    verdicts = [
        judge.judge(one.hits, utterances_from_turns(one.dialogue.turns), 0.0) for one in examples
    ]
    return _count(
        examples,
        [one.level is Level.FILING for one in verdicts],
        [one.live_at_s is not None for one in verdicts],
    )


def _count(examples: Sequence[Example], filed: Sequence[bool], warned: Sequence[bool]) -> Score:
    scam = [one.is_scam for one in examples]
    return Score(
        scams=sum(scam),
        others=len(scam) - sum(scam),
        filed=sum(a and b for a, b in zip(filed, scam, strict=True)),
        false_filed=sum(a and not b for a, b in zip(filed, scam, strict=True)),
        warned=sum(a and b for a, b in zip(warned, scam, strict=True)),
        false_warned=sum(a and not b for a, b in zip(warned, scam, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """An author's dialogues as a model heard them that was made without him."""

    author: str
    examples: tuple[Example, ...]
    both: tuple[Course, ...]
    caller: tuple[Course, ...]  # the other side is not heard, as when the agent answers
    mixed: tuple[Course, ...]  # both voices on one leg
    wording: tuple[Course, ...] = ()  # no phrase of the rulebook
    misheard: tuple[Course, ...] = ()


def fold(author: str, examples: Sequence[Example], *, is_full: bool) -> Fold:
    """Train without an author, and walk through his dialogues.

    Args:
        is_full: under the other conditions of hearing too.
    """
    rest = [one for one in examples if one.author != author]
    own = tuple(one for one in examples if one.author == author)
    scorer = scorer_of(learn(rest))
    alone = [[piece for piece in one.pieces if piece.leg is LegName.CALLER] for one in own]
    found = Fold(
        author,
        own,
        both=tuple(course(scorer, one) for one in own),
        caller=tuple(
            course(scorer, one, pieces=said) for one, said in zip(own, alone, strict=True)
        ),
        mixed=tuple(course(scorer, one, suspect=LegName.MIXED) for one in own),
    )
    if not is_full:
        return found
    mishearing = Mishearing(rest, MISHEARD)
    return replace(
        found,
        wording=tuple(course(scorer, one, hits=()) for one in own),
        misheard=tuple(course(scorer, one, pieces=mishearing.pieces(one), hits=()) for one in own),
    )


def folds(examples: Sequence[Example], tell: Tell, *, is_full: bool) -> list[Fold]:
    found = []
    for author in sorted({one.author for one in examples}):
        tell(f"without {author}")
        found.append(fold(author, examples, is_full=is_full and author != FIRST_AUTHOR))
    return found


def table(found: Sequence[Fold]) -> Iterator[str]:
    """Markdown: rules alone, wording alone, both; by author, then in all."""
    yield "| author | judge | filing P | filing R | live P | live R |"
    yield "|---|---|---|---|---|---|"
    totals: dict[str, Score] = {}
    plain: dict[str, Score] = {}
    false: list[str] = []
    for one in found:
        if one.author == FIRST_AUTHOR:
            continue
        rest = [other for other in found if other.author != one.author]
        own = levels_of(rest)
        wording = [course for other in rest for course in other.wording]
        alone = levels({Hearing.BOTH: wording}, 0.0)
        alone["levels"] = dict.fromkeys(Hearing, alone["levels"][Hearing.BOTH])
        rows = {
            "rules alone": by_rules(one.examples),
            "scorer alone": by_thresholds(one.wording, alone),
            "both": by_thresholds(one.both, own),
            "both, caller heard alone": by_thresholds(one.caller, own),
            "both, one mixed leg": by_thresholds(one.mixed, own),
            "scorer alone, 20 % misheard": by_thresholds(one.misheard, alone),
        }
        false += [
            call.example.dialogue.name
            for call in one.both
            if not call.example.is_scam and call.is_filed(own)
        ]
        for name, row in rows.items():
            totals[name] = totals[name] + row if name in totals else row
            if one.author not in TWINS:
                plain[name] = plain[name] + row if name in plain else row
            yield f"| {one.author} | {name} | {row.shown()} |"
    for whom, sums in (("**all**", totals), ("**all but the twins**", plain)):
        for name, row in sums.items():
            yield f"| {whom} | {name} | {row.shown()} |"
    yield ""
    yield hard_negatives(found, false)


def hard_negatives(found: Sequence[Fold], false: Sequence[str]) -> str:
    """False filings by both judges in calls that were written to be mistaken."""
    hard = [
        one
        for fold in found
        if fold.author != FIRST_AUTHOR
        for one in fold.examples
        if one.dialogue.is_hard and not one.is_scam
    ]
    hours = sum(max(piece.end_s for piece in one.pieces) for one in hard) / 3600
    filed = [one.dialogue.name for one in hard if one.dialogue.name in false]
    rate, low, high = Rate(len(filed), hours).per(10)
    return (
        f"Hard negatives: {len(hard)} calls, {hours:.2f} h; false filings there by both: "
        f"{len(filed)}, {rate:.0f} per 10 h ({low:.0f}–{high:.0f}). All false filings: "
        f"{', '.join(false)}."
    )


def curve(examples: Sequence[Example], tell: Tell) -> Iterator[str]:
    """Markdown: what more authors bring. Only other authors' dialogues teach, so many of them."""
    authors = sorted({one.author for one in examples} - {FIRST_AUTHOR})
    yield "| taught by | filing P | filing R | live P | live R |"
    yield "|---|---|---|---|---|"
    for share in (0.25, 0.5, 0.75, 1.0):
        tell(f"{share:.0%} of the dialogues")
        part = [one for n, one in enumerate(examples) if (n * 7) % 20 < 20 * share]
        total = None
        kept = []
        for author in authors:
            scorer = scorer_of(learn([one for one in part if one.author != author]))
            kept.append([course(scorer, one) for one in examples if one.author == author])
        for n in range(len(authors)):
            rest = [one for m, courses in enumerate(kept) if m != n for one in courses]
            at = levels({Hearing.BOTH: rest}, rules_weight(rest))
            at["levels"] = dict.fromkeys(Hearing, at["levels"][Hearing.BOTH])
            row = by_thresholds(kept[n], at)
            total = row if total is None else total + row
        assert total is not None
        yield f"| {share:.0%} of the other authors' dialogues | {total.shown()} |"
