"""The rulebook compiled once: a prefix tree over the symbols of all variants.

List entries of several words get a tree of their own; what it finds becomes an edge of the
main search, so that "{org}" costs one look-up however many offices it names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from ivr.spotting.costs import Region
from ivr.spotting.lexicon import Lexicon
from ivr.spotting.rulebook import Matching, Phrase, Rulebook
from ivr.spotting.template import GAP, Variant, is_list

ROOT = 0
NO_NODE = -1


@dataclass(slots=True)
class Tree:
    """Parallel lists, one entry a node.

    Args:
        children: symbol → node.
        longest: most slots of any phrase below, which bounds what a path may still cost.
        ends: targets whose variant ends here.
        gap: node entered, free of charge, for a ``...``; NO_NODE without one.
        is_gap: whether words may be skipped here.
        skippable: children reached over a function word, which may be missing.
    """

    children: list[dict[int, int]] = field(default_factory=lambda: [{}])
    longest: list[int] = field(default_factory=lambda: [0])
    ends: list[list[int]] = field(default_factory=lambda: [[]])
    gap: list[int] = field(default_factory=lambda: [NO_NODE])
    is_gap: list[bool] = field(default_factory=lambda: [False])
    skippable: list[list[int]] = field(default_factory=lambda: [[]])

    def _new(self) -> int:
        self.children.append({})
        self.longest.append(0)
        self.ends.append([])
        self.gap.append(NO_NODE)
        self.is_gap.append(False)
        self.skippable.append([])
        return len(self.children) - 1

    def add(self, path: Sequence[int | None], target: int, slots: int) -> None:
        """Add a variant; None in the path is a gap."""
        node = ROOT
        for symbol in path:
            self.longest[node] = max(self.longest[node], slots)
            if symbol is None:
                if self.gap[node] == NO_NODE:
                    self.gap[node] = self._new()
                    self.is_gap[self.gap[node]] = True
                node = self.gap[node]
            else:
                if symbol not in self.children[node]:
                    self.children[node][symbol] = self._new()
                node = self.children[node][symbol]
        self.longest[node] = max(self.longest[node], slots)
        if target not in self.ends[node]:
            self.ends[node].append(target)

    def minimized(self) -> "Tree":
        """The same language with equal endings shared: far fewer nodes and fewer live paths."""
        shared = Tree()
        known: dict[tuple[object, ...], int] = {}
        number: dict[int, int] = {ROOT: ROOT, NO_NODE: NO_NODE}
        for node in range(len(self.children) - 1, ROOT, -1):  # children were made after parents
            children = {symbol: number[child] for symbol, child in self.children[node].items()}
            gap = number[self.gap[node]]
            key = (
                tuple(sorted(children.items())),
                tuple(self.ends[node]),
                gap,
                self.is_gap[node],
                self.longest[node],
            )
            if key not in known:
                new = known[key] = shared._new()
                shared.children[new] = children
                shared.ends[new] = self.ends[node]
                shared.gap[new] = gap
                shared.is_gap[new] = self.is_gap[node]
                shared.longest[new] = self.longest[node]
            number[node] = known[key]
        shared.children[ROOT] = {s: number[child] for s, child in self.children[ROOT].items()}
        shared.longest[ROOT] = self.longest[ROOT]
        return shared

    def mark_skippable(self, symbols: frozenset[int]) -> None:
        for node, children in enumerate(self.children):
            if node != ROOT:
                self.skippable[node] = [
                    child for symbol, child in children.items() if symbol in symbols
                ]


@dataclass(frozen=True, slots=True)
class Target:
    """What a path of the main tree stands for; ``phrase`` is None for a decoy."""

    concept: str
    phrase: Phrase | None


@dataclass(frozen=True, slots=True)
class Automaton:
    """The compiled rulebook."""

    lexicon: Lexicon
    matching: Matching
    tree: Tree
    targets: tuple[Target, ...]
    list_tree: Tree
    list_symbols: tuple[int, ...]


def compile_rulebook(
    rulebook: Rulebook, *, on: date | None = None, region: Region | None = None
) -> Automaton:
    """Compile a rulebook.

    Args:
        on: leave out phrases whose ``valid_from`` lies after this day; None keeps all.
        region: lower the costs further for one region's mergers.
    """
    phrases = [
        phrase
        for phrase in rulebook.phrases
        if on is None or phrase.valid_from is None or phrase.valid_from <= on.isoformat()
    ]
    lexicon = _lexicon(rulebook, phrases, region)
    tree = Tree()
    targets: list[Target] = []
    widths = {
        f"{{{name}}}": max(len(item) for item in items) for name, items in rulebook.lists.items()
    }
    for phrase in phrases:
        _add(tree, lexicon, phrase.variants, len(targets), widths)
        targets.append(Target(phrase.concept, phrase))
    for concept in rulebook.concepts:
        if concept.decoys:
            _add(tree, lexicon, concept.decoys, len(targets), widths)
            targets.append(Target(concept.name, None))
    droppable = frozenset(
        lexicon.ids[word]
        for word in rulebook.matching.droppable_words - rulebook.matching.guards
        if word in lexicon.ids
    )
    tree = tree.minimized()
    tree.mark_skippable(droppable)
    list_tree, list_symbols = _list_tree(rulebook.lists, lexicon)
    return Automaton(
        lexicon, rulebook.matching, tree, tuple(targets), list_tree, tuple(list_symbols)
    )


def _lexicon(rulebook: Rulebook, phrases: Iterable[Phrase], region: Region | None) -> Lexicon:
    symbols: dict[str, None] = {}
    variants = [variant for phrase in phrases for variant in phrase.variants]
    variants += [variant for concept in rulebook.concepts for variant in concept.decoys]
    variants += [item for items in rulebook.lists.values() for item in items]
    for variant in variants:
        symbols.update(dict.fromkeys(symbol for symbol in variant if symbol != GAP))
    matching = rulebook.matching
    return Lexicon(
        symbols,
        members={
            f"{{{name}}}": [item[0] for item in items if len(item) == 1]
            for name, items in rulebook.lists.items()
        },
        strict=matching.guards,
        strict_limit=matching.guard_limit,
        limit=max(limit.worst for limit in matching.limits),
        region=region,
    )


def _add(
    tree: Tree,
    lexicon: Lexicon,
    variants: Iterable[Variant],
    target: int,
    widths: Mapping[str, int],
) -> None:
    for variant in variants:
        path = [None if symbol == GAP else lexicon.ids[symbol] for symbol in variant]
        slots = sum(widths[symbol] if is_list(symbol) else 1 for symbol in variant if symbol != GAP)
        tree.add(path, target, slots)


def _list_tree(
    lists: Mapping[str, tuple[Variant, ...]], lexicon: Lexicon
) -> tuple[Tree, list[int]]:
    tree = Tree()
    symbols: list[int] = []
    for name, items in lists.items():
        for item in items:
            if len(item) > 1:
                tree.add([lexicon.ids[word] for word in item], len(symbols), len(item))
        symbols.append(lexicon.ids[f"{{{name}}}"])
    return tree, symbols
