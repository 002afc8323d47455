"""From what was spotted and judged to the names a dialogue can ask for."""

from collections.abc import Iterable

from ivr.dialogue.script import WORDS
from ivr.facts.judgement import Level, PhraseHit, Verdict


def names(hits: Iterable[PhraseHit], verdict: Verdict | None, *, has_words: bool) -> frozenset[str]:
    """Stages and concepts that the caller spoke for themselves (not denied, not told of others),
    how far the verdict reaches, and whether there were words at all."""
    heard: set[str] = {WORDS} if has_words else set()
    for hit in hits:
        if not hit.negated and not hit.quoted:
            heard |= {hit.stage.value, hit.concept}
    level = verdict.level if verdict is not None else Level.NONE
    if level is not Level.NONE:
        heard |= {Level.LIVE.value, level.value}
    return frozenset(heard)
