"""Running the examples that stand in the rulebook beside each rule, for `ivr rules test`."""

from dataclasses import dataclass

from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """One example and what became of it.

    Args:
        line: of the phrase in the rulebook.
        should_match: whether it stands under ``yes``.
        heard: the words in which the concept was found, or None.
    """

    phrase_id: str
    concept: str
    line: int
    text: str
    should_match: bool
    heard: str | None

    @property
    def ok(self) -> bool:
        return (self.heard is not None) == self.should_match


def run_examples(rulebook: Rulebook, spotter: Spotter | None = None) -> tuple[ExampleResult, ...]:
    """Every example of every phrase: ``yes`` must find the phrase's concept, ``no`` must not."""
    spotter = spotter or Spotter(rulebook)
    found: list[ExampleResult] = []
    for phrase in rulebook.phrases:
        listed = [(text, True) for text in phrase.examples]
        listed += [(text, False) for text in phrase.counterexamples]
        for text, should_match in listed:
            heard = [hit.heard for hit in spotter.spot_text(text) if hit.concept == phrase.concept]
            found.append(
                ExampleResult(
                    phrase.phrase_id,
                    phrase.concept,
                    phrase.line,
                    text,
                    should_match,
                    heard[0] if heard else None,
                )
            )
    return tuple(found)
