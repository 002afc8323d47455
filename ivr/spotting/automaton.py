"""The rulebook compiled once: a prefix tree over the symbols of all variants.

List entries of several words get a tree of their own; what it finds becomes an edge of the
main search, so that "{org}" costs one look-up however many offices it names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from ivr.spotting.costs import Region
from ivr.spotting.lexicon import Lexicon
from ivr.spotting.rulebook import Matching, Phrase, Rulebook
from ivr.spotting.template import GAP, Variant

ROOT = 0
NO_NODE = -1
LEAP = -1  # stands for a gap while the tree grows; symbols are 0 and above


class _Trie:
    """The tree while it grows: a hundred thousand variants, so it holds no more than it must.

    A gap is the symbol `LEAP`; ``slots`` is the length of the variants that end at a node.
    """

    def __init__(self) -> None:
        self.children: list[dict[int, int] | None] = [None]  # most nodes are leaves: None
        self.ends: dict[int, list[int]] = {}
        self.slots: dict[int, int] = {}

    def add(self, path: Iterable[int], target: int, slots: int) -> None:
        children = self.children
        node = ROOT
        for symbol in path:
            below = children[node]
            if below is None:
                below = children[node] = {}
            following = below.get(symbol)
            if following is None:
                following = below[symbol] = len(children)
                children.append(None)
            node = following
        ends = self.ends.get(node)
        if ends is None:
            self.ends[node] = [target]
            self.slots[node] = slots
        else:
            self.slots[node] = max(slots, self.slots[node])
            if target not in ends:
                ends.append(target)

    def minimized(self) -> "Tree":
        """The same language with equal endings shared: far fewer nodes and fewer live paths."""
        shared = Tree()
        known: dict[tuple[object, ...], int] = {}
        number = [ROOT] * len(self.children)
        longest = [0] * len(self.children)
        for node in range(len(self.children) - 1, -1, -1):  # children were made after parents
            below = self.children[node]
            ends = self.ends.get(node, [])
            length = self.slots.get(node, 0)
            children: dict[int, int] = {}
            if below is not None:
                children = {symbol: number[child] for symbol, child in below.items()}
                length = max(length, *(longest[child] for child in below.values()))
            longest[node] = length
            gap = children.pop(LEAP, NO_NODE)
            key = (tuple(sorted(children.items())), tuple(ends), gap, length)
            if node == ROOT:
                shared.children[ROOT], shared.longest[ROOT] = children, length
            elif key in known:
                number[node] = known[key]
            else:
                number[node] = known[key] = shared.grow(children, ends, gap, length)
        return shared


@dataclass(slots=True)
class Tree:
    """Parallel lists, one entry a node.

    Args:
        children: symbol → node.
        longest: most slots of any phrase below, which bounds what a path may still cost.
        ends: targets whose variant ends here.
        gap: node entered, free of charge, for a ``...``; NO_NODE without one.
        skippable: children reached over a function word, which may be missing.
    """

    children: list[dict[int, int]] = field(default_factory=lambda: [{}])
    longest: list[int] = field(default_factory=lambda: [0])
    ends: list[list[int]] = field(default_factory=lambda: [[]])
    gap: list[int] = field(default_factory=lambda: [NO_NODE])
    skippable: list[list[int]] = field(default_factory=lambda: [[]])

    def grow(self, children: dict[int, int], ends: list[int], gap: int, longest: int) -> int:
        """Add a node; returns its number."""
        self.children.append(children)
        self.ends.append(ends)
        self.gap.append(gap)
        self.longest.append(longest)
        self.skippable.append([])
        return len(self.children) - 1

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
    trie = _Trie()
    targets: list[Target] = []
    numbers = {GAP: LEAP, **lexicon.ids}
    widths = dict.fromkeys(numbers, 1) | {GAP: 0}
    for name, items in rulebook.lists.items():
        widths[f"{{{name}}}"] = max(len(item) for item in items)

    def add(variants: Iterable[Variant], target: Target) -> None:
        for variant in variants:
            slots = sum(map(widths.__getitem__, variant))
            trie.add(map(numbers.__getitem__, variant), len(targets), slots)
        targets.append(target)

    for phrase in phrases:
        add(phrase.variants, Target(phrase.concept, phrase))
    for concept in rulebook.concepts:
        if concept.decoys:
            add(concept.decoys, Target(concept.name, None))
    droppable = frozenset(
        lexicon.ids[word]
        for word in rulebook.matching.droppable_words - rulebook.matching.guards
        if word in lexicon.ids
    )
    tree = trie.minimized()
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
        symbols.update(dict.fromkeys(variant))
    symbols.pop(GAP, None)
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


def _list_tree(
    lists: Mapping[str, tuple[Variant, ...]], lexicon: Lexicon
) -> tuple[Tree, list[int]]:
    trie = _Trie()
    symbols: list[int] = []
    for name, items in lists.items():
        for item in items:
            if len(item) > 1:
                trie.add([lexicon.ids[word] for word in item], len(symbols), len(item))
        symbols.append(lexicon.ids[f"{{{name}}}"])
    return trie.minimized(), symbols
