"""What the other readings of an utterance add to its phrases, and what they take away.

A recogniser is often unsure between "công an" and "con ăn": the likeliest reading may miss a phrase
that another one holds. Such a phrase counts by the share of belief in its words. Where another
reading hears a denial before a phrase ("đừng chuyển tiền"), the phrase is doubted: a doubtful
denial lowers a score and never raises it.
"""

from collections.abc import Sequence
from dataclasses import replace

from ivr.facts.judgement import PhraseHit
from ivr.spotting.guards import UNCERTAIN_FACTOR


def with_readings(
    found: Sequence[PhraseHit], others: Sequence[Sequence[PhraseHit]]
) -> list[PhraseHit]:
    """The hits of an utterance after its other readings were looked at.

    Args:
        found: in the likeliest reading.
        others: in each other reading, the likelier first.

    Returns:
        ``found``, doubted where a reading denies it, and behind it the best hit for each place
        and concept that only other readings hold.
    """
    everywhere = [hit for reading in others for hit in reading]
    kept = [
        replace(hit, score=round(hit.score * UNCERTAIN_FACTOR, 4))
        if not hit.negated and any(one.negated and _is_same(one, hit) for one in everywhere)
        else hit
        for hit in found
    ]
    for hit in sorted(everywhere, key=lambda one: -one.score):  # stable: the likelier stays first
        if not any(_is_same(hit, known) for known in kept):
            kept.append(hit)
    return kept


def _is_same(one: PhraseHit, other: PhraseHit) -> bool:
    """The same thing said at about the same time, in two readings."""
    overlap = one.start_s < other.end_s and other.start_s < one.end_s
    return overlap and one.concept == other.concept and one.leg is other.leg
