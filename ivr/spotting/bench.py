"""`python -m ivr.spotting.bench`: time to spot one utterance of 20 syllables, whole rulebook.

CPU time, so that a busy machine does not spoil the figure.  In the first of the rounds every word
is new to the look-up cache, which is the slow twentieth.
"""

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.facts.call import LegName
from ivr.settings import Settings, resolve
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter
from ivr.spotting.tokens import tokenize, utterances_from_turns

SYLLABLES: Final = 20


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of CPU; ``variants`` is the size of the compiled rulebook."""

    variants: int
    nodes: int
    compile_ms: float
    median_ms: float
    p95_ms: float
    utterances: int


def measure(rulebook: Rulebook, repeats: int = 20) -> Timing:
    """Time the rulebook's own examples, joined to runs of 20 syllables: text full of hits and
    near misses, which is the slow case."""
    started = time.process_time()
    spotter = Spotter(rulebook)
    compiled = time.process_time() - started
    text = " ".join(
        example
        for phrase in rulebook.phrases
        for example in (*phrase.examples, *phrase.counterexamples)
    )
    tokens = tokenize(utterances_from_turns([(LegName.CALLER, text)])[0])
    rows = [
        tokens[start : start + SYLLABLES]
        for start in range(0, len(tokens) - SYLLABLES + 1, SYLLABLES)
    ]
    taken: list[float] = []
    for _ in range(repeats):
        for row in rows:
            began = time.process_time()
            spotter.hits_in(row, LegName.CALLER, folded=False, is_final=True)
            taken.append((time.process_time() - began) * 1000)
    return Timing(
        variants=sum(len(phrase.variants) for phrase in rulebook.phrases),
        nodes=len(spotter.matcher.automaton.tree.children),
        compile_ms=compiled * 1000,
        median_ms=statistics.median(taken),
        p95_ms=statistics.quantiles(taken, n=20)[-1],
        utterances=len(taken),
    )


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else resolve(Settings().spotting.rulebook)
    began = time.process_time()
    rulebook = Rulebook.load(path)
    read_ms = (time.process_time() - began) * 1000
    timing = measure(rulebook)
    sys.stdout.write(
        f"read in {read_ms:.0f} ms\n{timing.variants} variants, {timing.nodes} nodes, compiled in "
        f"{timing.compile_ms:.0f} ms\n"
        f"one utterance of {SYLLABLES} syllables: median {timing.median_ms:.2f} ms, "
        f"95 % within {timing.p95_ms:.2f} ms ({timing.utterances} timed)\n"
    )


if __name__ == "__main__":
    main()
