"""From the rulebook file to a `Rulebook`, or to the list of its mistakes."""

import hashlib
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

import rfc8785
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from ivr.facts.judgement import Stage
from ivr.spotting.matching_reader import read_matching
from ivr.spotting.rulebook import Concept, Phrase, Rulebook
from ivr.spotting.template import TemplateError, Variant, expand, is_list
from ivr.yaml_nodes import Mistake, NodeReader

_TOP: Final = ("version", "language", "matching", "pretexts", "lists", "concepts")
_CONCEPT: Final = (
    "meaning",
    "english",
    "stage",
    "kind",
    "pretext",
    "weight",
    "reach",
    "phrases",
    "sounds_like",
)
_PHRASE: Final = ("id", "say", "pretext", "weight", "region", "valid_from", "yes", "no", "note")
_REGIONS: Final = ("north", "central", "south")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PHRASE_ID = re.compile(r"[a-z][a-z0-9_.]*")


def read(path: Path) -> tuple[Rulebook | None, list[Mistake]]:
    """The rulebook and its mistakes, by line; it is None when the file is no rulebook at all."""
    reader = NodeReader()
    root = reader.compose(path)
    if root is None:
        return None, reader.mistakes
    book = _Reading(reader, path).rulebook(root)
    return book, sorted(reader.mistakes, key=lambda mistake: mistake.line)


def plain(node: Node) -> Any:
    """The node's content without layout, for the digest."""
    if isinstance(node, MappingNode):
        return {str(key.value): plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.value]
    return str(node.value)


class _Reading:
    """One pass over the file."""

    def __init__(self, reader: NodeReader, path: Path) -> None:
        self._r = reader
        self._path = path
        self._pretexts: dict[str, tuple[str, str]] = {}
        self._lists: dict[str, tuple[Variant, ...]] = {}
        self._list_lines: dict[str, int] = {}
        self._used_lists: set[str] = set()
        self._phrase_ids: dict[str, int] = {}

    def rulebook(self, root: Node) -> Rulebook:
        top = self._r.mapping(root, "the rulebook", _TOP)
        for key in ("version", "matching", "pretexts", "concepts"):
            self._r.required(top, key, root, "the rulebook")
        language = self._r.text(top.get("language"), "language", "vi")
        if language != "vi":
            self._r.wrong(top.get("language"), f"language '{language}' is not known", "write vi")
        self._read_pretexts(top.get("pretexts"))
        self._read_lists(top.get("lists"))
        concepts = tuple(
            self._concept(name, node)
            for name, node in self._r.mapping(top.get("concepts"), "concepts").items()
        )
        for name in sorted(set(self._lists) - self._used_lists):
            self._r.mistakes.append(
                Mistake(self._list_lines[name], f"list '{name}' is never used", "remove it")
            )
        return Rulebook(
            path=self._path,
            version=self._r.text(top.get("version"), "version"),
            sha256=hashlib.sha256(rfc8785.dumps(plain(root))).hexdigest(),
            matching=read_matching(self._r, top.get("matching")),
            pretexts=self._pretexts,
            lists=self._lists,
            concepts=concepts,
            list_lines=self._list_lines,
        )

    def _read_pretexts(self, node: Node | None) -> None:
        for name, value in self._r.mapping(node, "pretexts").items():
            self._name(name, value, "pretext")
            where = f"pretext '{name}'"
            table = self._r.mapping(value, where, ("vi", "en"))
            for key in ("vi", "en"):
                self._r.required(table, key, value, where)
            self._pretexts[name] = (
                self._r.text(table.get("vi"), f"{where}: vi"),
                self._r.text(table.get("en"), f"{where}: en"),
            )

    def _read_lists(self, node: Node | None) -> None:
        for name, value in self._r.mapping(node, "lists").items():
            self._name(name, value, "list")
            variants: list[Variant] = []
            for template, line in self._r.texts(value, f"list '{name}'"):
                expanded = self._expand(template, line, f"list '{name}'")
                if any(is_list(s) or s == "..." for v in expanded for s in v):
                    self._r.mistakes.append(
                        Mistake(line, f"list '{name}' holds a list or a gap", "write words only")
                    )
                    continue
                variants += expanded
            if not variants:
                self._r.wrong(value, f"list '{name}' is empty", "add an entry or remove the list")
            self._lists[name] = tuple(dict.fromkeys(variants))
            self._list_lines[name] = value.start_mark.line + 1

    def _name(self, name: str, node: Node, what: str) -> None:
        if not _NAME.fullmatch(name):
            self._r.wrong(
                node,
                f"{what} name '{name}' is not usable",
                "use small letters a-z, digits and _ only, without Vietnamese marks",
            )

    def _expand(self, template: str, line: int, where: str) -> tuple[Variant, ...]:
        try:
            return expand(template)
        except TemplateError as problem:
            self._r.mistakes.append(Mistake(line, f"{where}: template '{template}'", str(problem)))
            return ()

    def _variants(self, node: Node | None, where: str) -> tuple[tuple[str, ...], list[Variant]]:
        templates: list[str] = []
        variants: list[Variant] = []
        for template, line in self._r.texts(node, where):
            templates.append(template)
            expanded = self._expand(template, line, where)
            for symbol in sorted(set(filter(is_list, chain.from_iterable(expanded)))):
                self._used_lists.add(symbol[1:-1])
                if symbol[1:-1] not in self._lists:
                    self._r.mistakes.append(
                        Mistake(
                            line,
                            f"{where}: list {symbol} does not exist",
                            f"write one of: {', '.join(sorted(self._lists))}",
                        )
                    )
            variants += expanded
        return tuple(templates), list(dict.fromkeys(variants))

    def _concept(self, name: str, node: Node) -> Concept:
        self._name(name, node, "concept")
        where = f"concept '{name}'"
        table = self._r.mapping(node, where, _CONCEPT)
        for key in ("meaning", "english", "stage", "weight", "phrases"):
            self._r.required(table, key, node, where)
        base = Phrase(
            phrase_id=name,
            concept=name,
            stage=self._stage(table.get("stage"), where),
            kind=self._r.text(table.get("kind"), f"{where}: kind"),
            pretext=self._pretext(table.get("pretext"), where),
            weight=self._r.number(table.get("weight"), f"{where}: weight", 0.5),
            reach=int(self._r.number(table.get("reach"), f"{where}: reach", 0, 0, 60)),
            region=None,
            valid_from=None,
            templates=(),
            variants=(),
            examples=(),
            counterexamples=(),
            line=node.start_mark.line + 1,
        )
        listed = table.get("phrases")
        items = listed.value if isinstance(listed, SequenceNode) else []
        if listed is not None and not items:
            self._r.wrong(listed, f"{where}: phrases must be a list", "start each with '- say:'")
        return Concept(
            name=name,
            meaning_vi=self._r.text(table.get("meaning"), f"{where}: meaning"),
            meaning_en=self._r.text(table.get("english"), f"{where}: english"),
            phrases=tuple(self._phrase(base, n, item) for n, item in enumerate(items, start=1)),
            decoys=tuple(self._variants(table.get("sounds_like"), f"{where}: sounds_like")[1]),
            line=base.line,
        )

    def _phrase(self, base: Phrase, number: int, node: Node) -> Phrase:
        where = f"concept '{base.concept}', phrase {number}"
        table = self._r.mapping(node, where, _PHRASE)
        self._r.required(table, "say", node, where)
        default = base.concept if number == 1 else f"{base.concept}.{number}"
        phrase_id = self._r.text(table.get("id"), f"{where}: id", default)
        line = node.start_mark.line + 1
        if not _PHRASE_ID.fullmatch(phrase_id):
            self._r.wrong(
                table.get("id"), f"{where}: id '{phrase_id}'", "use a-z, digits, _ and . only"
            )
        if phrase_id in self._phrase_ids:
            self._r.wrong(
                node,
                f"phrase id '{phrase_id}' stands already in line {self._phrase_ids[phrase_id]}",
                "give it another id",
            )
        self._phrase_ids[phrase_id] = line
        region = self._r.text(table.get("region"), f"{where}: region") or None
        if region is not None and region not in _REGIONS:
            self._r.wrong(
                table["region"], f"{where}: region '{region}'", f"use {', '.join(_REGIONS)}"
            )
        templates, variants = self._variants(table.get("say"), where)
        return replace(
            base,
            phrase_id=phrase_id,
            pretext=self._pretext(table.get("pretext"), where) or base.pretext,
            weight=self._r.number(table.get("weight"), f"{where}: weight", base.weight),
            region=region,
            valid_from=self._r.date(table.get("valid_from"), f"{where}: valid_from"),
            templates=templates,
            variants=tuple(variants),
            examples=tuple(t for t, _ in self._r.texts(table.get("yes"), f"{where}: yes")),
            counterexamples=tuple(t for t, _ in self._r.texts(table.get("no"), f"{where}: no")),
            line=line,
        )

    def _stage(self, node: Node | None, where: str) -> Stage:
        value = self._r.text(node, f"{where}: stage", Stage.CONTACT.value)
        try:
            return Stage(value)
        except ValueError:
            self._r.wrong(node, f"{where}: stage '{value}'", f"use {', '.join(Stage)}")
            return Stage.CONTACT

    def _pretext(self, node: Node | None, where: str) -> str | None:
        if node is None:
            return None
        value = self._r.text(node, f"{where}: pretext")
        if value not in self._pretexts:
            self._r.wrong(
                node,
                f"{where}: pretext '{value}' does not exist",
                "add it under 'pretexts:' or use one of those",
            )
        return value
