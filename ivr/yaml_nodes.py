"""Reading YAML with line numbers, collecting every mistake instead of stopping at the first."""

import datetime
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a file that a person wrote.

    Args:
        line: 1-based; 0 when no line can be named.
        what: what is wrong, naming the thing.
        remedy: what to write instead.
        is_fatal: False for what works but should be known.
    """

    line: int
    what: str
    remedy: str
    is_fatal: bool = True

    def __str__(self) -> str:
        return f"line {self.line}: {self.what} -> {self.remedy}"


@dataclass(slots=True)
class NodeReader:
    """Typed access to nodes; what does not fit becomes a `Mistake` and a harmless default."""

    mistakes: list[Mistake] = field(default_factory=list)

    def wrong(self, node: Node | None, what: str, remedy: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 0
        self.mistakes.append(Mistake(line, what, remedy))

    def compose(self, path: Path) -> Node | None:
        """The file's root node; None, with a mistake, when it is not readable YAML."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as problem:
            self.mistakes.append(
                Mistake(0, f"the file cannot be read: {problem.strerror}", "give the right path")
            )
            return None
        except UnicodeDecodeError as problem:
            self.mistakes.append(
                Mistake(0, f"the file is not UTF-8 (byte {problem.start})", "save it as UTF-8")
            )
            return None
        try:
            root: Node | None = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            self.mistakes.append(
                Mistake(
                    mark.line + 1 if mark else 0,
                    f"not readable as YAML: {problem.problem or problem.context}",
                    "check indentation (two spaces), quotes and colons near this line",
                )
            )
            return None
        except YAMLError as problem:
            self.mistakes.append(
                Mistake(0, f"not readable as YAML: {problem}", "remove control characters")
            )
            return None
        if root is None:
            self.mistakes.append(
                Mistake(1, "the file is empty", "start from config/rulebook or config/dialogue")
            )
        return root

    def mapping(
        self, node: Node | None, where: str, known: Sequence[str] | None = None
    ) -> dict[str, Node]:
        """Keys and value nodes; unknown and repeated keys are mistakes."""
        if node is None:
            return {}
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{where} must be a table of 'name: value' lines", "indent it so")
            return {}
        found: dict[str, Node] = {}
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            if key in found:
                self.wrong(key_node, f"{where}: '{key}' stands twice", "remove or rename one")
            elif known is not None and key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
                self.wrong(key_node, f"{where}: '{key}' is not known", hint)
            else:
                found[key] = value
        return found

    def required(self, table: dict[str, Node], key: str, node: Node | None, where: str) -> None:
        if key not in table:
            self.wrong(node, f"{where}: '{key}' is missing", f"add a line '{key}: …'")

    def text(self, node: Node | None, where: str, default: str = "") -> str:
        if node is None:
            return default
        if not isinstance(node, ScalarNode) or not str(node.value).strip():
            self.wrong(node, f"{where} must be text", "write it on one line")
            return default
        return str(node.value)

    def number(
        self, node: Node | None, where: str, default: float, low: float = 0.0, high: float = 1.0
    ) -> float:
        if node is None:
            return default
        try:
            value = float(node.value) if isinstance(node, ScalarNode) else float("nan")
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            self.wrong(node, f"{where} must be a number", f"write {low:g} to {high:g}, with a dot")
            return default
        return value

    def date(self, node: Node | None, where: str) -> str | None:
        if node is None:
            return None
        try:
            return datetime.date.fromisoformat(self.text(node, where)).isoformat()
        except ValueError:
            self.wrong(node, f"{where} is not a date", "write it as 2026-01-31")
            return None

    def texts(self, node: Node | None, where: str) -> list[tuple[str, int]]:
        """A list of texts, or one text alone, each with its line."""
        if node is None:
            return []
        items = node.value if isinstance(node, SequenceNode) else [node]
        found: list[tuple[str, int]] = []
        for item in items:
            value = self.text(item, where)
            if value:
                found.append((value, item.start_mark.line + 1))
        return found
