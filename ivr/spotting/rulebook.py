"""The rulebook: what is listened for, as data that a police officer can read and change.

`Rulebook.load` reads and checks the whole file; all mistakes come in one `RulebookError`, each
with its line and a remedy.  The digest covers the content, not the layout: comments and order
of keys do not change it.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from ivr.errors import RulebookError
from ivr.facts.judgement import Stage
from ivr.spotting.syllable import canonical, parse
from ivr.spotting.template import GAP, Variant, is_list
from ivr.yaml_nodes import Mistake


@dataclass(frozen=True, slots=True)
class Limit:
    """What a phrase of a given length may cost: mean over its slots, and its worst word."""

    mean: float
    worst: float


@dataclass(frozen=True, slots=True)
class Matching:
    """The ``matching:`` table: how strictly phrases are compared. Words are canonical."""

    limits: tuple[Limit, ...]  # for 1, 2, 3, … slots; the last serves all longer phrases
    insert_cost: float
    function_cost: float
    gap_words: int
    gap_limit: Limit  # for phrases found across a gap: less context, so less tolerance
    join_s: float
    function_words: frozenset[str]  # may be inserted cheaply
    droppable_words: frozenset[str]  # may be missing
    guards: frozenset[str]
    guard_limit: float
    guard_reach: int
    guard_excused_by: frozenset[str]
    guard_stopped_by: frozenset[str]
    guard_new_clause: frozenset[str]  # after its subject, such a word begins a new clause
    guard_whole: frozenset[str]  # guards that deny whole clauses, subject and all
    guard_particles: frozenset[str]  # guards that end a question when they end an utterance


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way, or family of ways, to say a concept.

    ``examples`` must match this concept, ``counterexamples`` must not; both run in
    ``ivr rules test``.
    """

    phrase_id: str
    concept: str
    stage: Stage
    kind: str
    pretext: str | None
    weight: float
    reach: int
    region: str | None
    valid_from: str | None
    templates: tuple[str, ...]
    variants: tuple[Variant, ...]
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Concept:
    """A meaning. ``decoys`` are sound-alikes that win over it ("công ăn việc làm")."""

    name: str
    meaning_vi: str
    meaning_en: str
    phrases: tuple[Phrase, ...]
    decoys: tuple[Variant, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A checked rulebook."""

    path: Path
    version: str
    sha256: str
    matching: Matching
    pretexts: Mapping[str, tuple[str, str]]
    lists: Mapping[str, tuple[Variant, ...]]
    concepts: tuple[Concept, ...]
    list_lines: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Rulebook":
        """Read and check a rulebook.

        Raises:
            RulebookError: it has mistakes; ``why`` lists all of them with file and line.
        """
        from ivr.spotting.rulebook_reader import read

        rulebook, mistakes = read(path)
        if rulebook is None or mistakes:
            listed = "; ".join(f"{path}:{m.line}: {m.what} -> {m.remedy}" for m in mistakes)
            raise RulebookError(
                f"The rulebook {path} has {len(mistakes)} mistake(s).",
                why=listed,
                remedy="Mend the named lines, then run `ivr rules check`.",
            )
        return rulebook

    @property
    def phrases(self) -> Iterator[Phrase]:
        for concept in self.concepts:
            yield from concept.phrases

    def words(self) -> set[str]:
        """Every canonical word that a phrase or a list names."""
        found = {
            symbol
            for phrase in self.phrases
            for variant in phrase.variants
            for symbol in variant
            if symbol != GAP and not is_list(symbol)
        }
        found.update(word for items in self.lists.values() for item in items for word in item)
        return found

    def check(self, vocabulary: Set[str] | None) -> tuple[Mistake, ...]:
        """What a model with this vocabulary can never output.

        A phrase or list entry none of whose variants can be heard is a fatal mistake that names
        the words; one that only loses some variants is reported without being fatal.  Words in
        Latin spelling ("otp") are for typed transcripts and count as unheard.

        Args:
            vocabulary: the model's words, any spelling; None when it is not known.
        """
        if vocabulary is None:
            return ()
        known = {canonical(word) for word in vocabulary}
        deaf_lists = {
            name
            for name, items in self.lists.items()
            if not any(all(word in known for word in item) for item in items)
        }
        found = [
            Mistake(
                self.list_lines.get(name, 0),
                f"list {{{name}}}: the model can output none of its entries",
                "add an entry as it is heard",
            )
            for name in sorted(deaf_lists)
        ]
        for phrase in self.phrases:
            found += _unheard(phrase, known, deaf_lists)
        return tuple(found)


def _unheard(phrase: Phrase, known: Set[str], deaf_lists: Set[str]) -> list[Mistake]:
    def missing(variant: Variant) -> set[str]:
        return {
            symbol
            for symbol in variant
            if symbol != GAP
            and (symbol[1:-1] in deaf_lists if is_list(symbol) else symbol not in known)
        }

    lacks = [missing(variant) for variant in phrase.variants]
    words = sorted(set().union(*lacks))
    if not words:
        return []
    quoted = ", ".join(f"'{word}'" for word in words)
    if all(lacks):
        return [
            Mistake(
                phrase.line,
                f"phrase '{phrase.phrase_id}' can never fire: the model has no word {quoted}",
                "spell it as the model hears it, or choose a model that has the word",
            )
        ]
    spoken = [word for word in words if parse(word) is not None]
    if not spoken:
        return []  # only the typed spelling of a loan is lost, and a spoken one stands beside it
    return [
        Mistake(
            phrase.line,
            f"phrase '{phrase.phrase_id}' loses some variants: the model has no word {quoted}",
            "nothing must be done; the other variants still fire",
            is_fatal=False,
        )
    ]
