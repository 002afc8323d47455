"""Reading the rulebook's ``matching:`` table: how strictly phrases are compared."""

from collections.abc import Mapping
from typing import Final

from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from ivr.spotting.rulebook import Limit, Matching
from ivr.spotting.syllable import canonical
from ivr.yaml_nodes import NodeReader

_MATCHING: Final = (
    "limits",
    "insert_cost",
    "function_cost",
    "gap_words",
    "gap_limit",
    "join_s",
    "function_words",
    "droppable_words",
    "guards",
    "guard_limit",
    "guard_reach",
    "guard_excused_by",
    "guard_stopped_by",
    "guard_new_clause",
    "guard_whole",
    "guard_particles",
)


def read_matching(reader: NodeReader, node: Node | None) -> Matching:
    """The ``matching:`` table; what is missing or wrong gets its default and a mistake."""
    table = reader.mapping(node, "matching", _MATCHING)
    if node is not None:
        for key in ("limits", "guards", "function_words"):
            reader.required(table, key, node, "matching")

    def number(key: str, default: float, high: float = 1.0) -> float:
        return reader.number(table.get(key), f"matching: {key}", default, 0.0, high)

    def words(key: str) -> frozenset[str]:
        return frozenset(canonical(t) for t, _ in reader.texts(table.get(key), key))

    return Matching(
        limits=_limits(reader, table),
        insert_cost=number("insert_cost", 0.3),
        function_cost=number("function_cost", 0.2),
        gap_words=int(number("gap_words", 4, 12)),
        gap_limit=_limit(reader, table.get("gap_limit")) or Limit(0.03, 0.045),
        join_s=number("join_s", 2.0, 30.0),
        function_words=words("function_words"),
        droppable_words=words("droppable_words"),
        guards=words("guards"),
        guard_limit=number("guard_limit", 0.04),
        guard_reach=int(number("guard_reach", 6, 30)),
        guard_excused_by=words("guard_excused_by"),
        guard_stopped_by=words("guard_stopped_by"),
        guard_new_clause=words("guard_new_clause"),
        guard_whole=words("guard_whole"),
        guard_particles=words("guard_particles"),
    )


def _limit(reader: NodeReader, node: Node | None) -> Limit | None:
    if node is None:
        return None
    pair = node.value if isinstance(node, SequenceNode) else []
    if len(pair) != 2 or not all(isinstance(part, ScalarNode) for part in pair):
        reader.wrong(node, "matching: limits and gap_limit", "write pairs as [mean, worst]")
        return None
    return Limit(
        reader.number(pair[0], "matching: limit, mean", 0.08, 0.0, 0.3),
        reader.number(pair[1], "matching: limit, worst", 0.15, 0.0, 0.5),
    )


def _limits(reader: NodeReader, table: Mapping[str, Node]) -> tuple[Limit, ...]:
    node = table.get("limits")
    found: list[Limit] = []
    for item in node.value if isinstance(node, SequenceNode) else []:
        limit = _limit(reader, item)
        if limit is not None:
            found.append(limit)
    if node is not None and not found:
        reader.wrong(node, "matching: limits is empty", "write pairs as [mean, worst]")
    return tuple(found) or (Limit(0.08, 0.15),)
