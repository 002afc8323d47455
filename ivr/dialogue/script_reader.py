"""From a dialogue file to a `Script`, or to the list of its mistakes, each with its line."""

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ivr.dialogue import script_check
from ivr.dialogue.script import EVENTS, Choice, Listening, Script
from ivr.dialogue.script import Node as State
from ivr.facts.call import Mode
from ivr.yaml_nodes import Mistake, NodeReader

_TOP: Final = ("version", "longest", "start", "time_up", "states")
_STATE: Final = ("say", "times", "pause", "then", "hang_up", "listen")
_LISTEN: Final = ("pause", "first_word", "silence_after", "answer", "silence")
_CHOICE: Final = ("heard", "not_heard", "go")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MODES: Final = (Mode.ANSWER, Mode.LISTEN)
LONGEST_WAIT_S: Final = 120.0
LONGEST_CALL_S: Final = 7200.0


def read(
    path: Path, concepts: Collection[str], prompts: Collection[str]
) -> tuple[Script | None, list[Mistake]]:
    """The dialogue and its mistakes by line; it is None when the file is no dialogue at all."""
    reader = NodeReader()
    root = reader.compose(path)
    if root is None:
        return None, reader.mistakes
    script = _Reading(reader, EVENTS | set(concepts), prompts).script(root)
    if not reader.mistakes:  # what is half read would only bring mistakes of its own
        reader.mistakes += script_check.mistakes(script)
    return script, sorted(reader.mistakes, key=lambda mistake: mistake.line)


def _plain(node: Node) -> Any:
    """The node's content without layout, for the digest."""
    if isinstance(node, MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.value]
    return str(node.value)


class _Reading:
    """One pass over the file."""

    def __init__(
        self, reader: NodeReader, events: Collection[str], prompts: Collection[str]
    ) -> None:
        self._r = reader
        self._events, self._prompts = events, prompts
        self._states: Collection[str] = ()

    def script(self, root: Node) -> Script:
        top = self._r.mapping(root, "the dialogue", _TOP)
        for key in ("version", "start", "time_up", "states"):
            self._r.required(top, key, root, "the dialogue")
        listed = self._r.mapping(top.get("states"), "states")
        self._states = listed
        text = json.dumps(_plain(root), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return Script(
            version=self._r.text(top.get("version"), "version"),
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            starts=self._starts(top.get("start")),
            time_up=self._choices(top.get("time_up"), "time_up"),
            longest_s=self._seconds(top.get("longest"), "longest", LONGEST_CALL_S, LONGEST_CALL_S),
            nodes={name: self._state(name, node) for name, node in listed.items()},
        )

    def _starts(self, node: Node | None) -> Mapping[Mode, str]:
        table = self._r.mapping(node, "start", [mode.value for mode in _MODES])
        found = {}
        for mode in _MODES:
            self._r.required(table, mode.value, node, "start")
            if mode.value in table:
                found[mode] = self._target(table[mode.value], f"start: {mode}")
        return found

    def _state(self, name: str, node: Node) -> State:
        where = f"state '{name}'"
        if not _NAME.fullmatch(name):
            self._r.wrong(
                node,
                f"state name '{name}' is not usable",
                "use small letters a-z, digits and _ only, without Vietnamese marks",
            )
        table = self._r.mapping(node, where, _STATE)
        if ("say" in table) == ("listen" in table):
            self._r.wrong(
                node, f"{where} must either say or listen", "write one of 'say:' and 'listen:'"
            )
        elif "say" in table and ("then" in table) == ("hang_up" in table):
            self._r.wrong(
                node,
                f"{where} does not say what comes after the prompt",
                "write one of 'then: STATE' and 'hang_up: reason'",
            )
        elif "listen" in table and len(table) > 1:
            self._r.wrong(
                node, f"{where} listens, and so can have nothing else", "write only 'listen:'"
            )
        say = tuple(
            self._prompt(t, line, where) for t, line in self._r.texts(table.get("say"), where)
        )
        pause = table.get("pause")
        then = table.get("then")
        return State(
            name=name,
            say=say,
            times=self._times(table.get("times"), where, len(say) if then is not None else None),
            pause_s=None if pause is None else self._seconds(pause, f"{where}: pause", 0.0),
            then=None if then is None else self._target(then, f"{where}: then"),
            hang_up=self._r.text(table.get("hang_up"), f"{where}: hang_up") or None,
            listening=self._listening(table.get("listen"), where),
            line=node.start_mark.line + 1,
        )

    def _listening(self, node: Node | None, where: str) -> Listening | None:
        if node is None:
            return None
        table = self._r.mapping(node, f"{where}: listen", _LISTEN)
        usual = Listening()
        after = table.get("silence_after")
        return Listening(
            pause_s=self._seconds(table.get("pause"), f"{where}: pause", usual.pause_s),
            first_word_s=self._seconds(
                table.get("first_word"), f"{where}: first_word", usual.first_word_s
            ),
            silence_s=None
            if after is None
            else self._seconds(after, f"{where}: silence_after", 0.0),
            answer=self._choices(table.get("answer"), f"{where}: answer"),
            silence=self._choices(table.get("silence"), f"{where}: silence"),
        )

    def _choices(self, node: Node | None, where: str) -> tuple[Choice, ...]:
        if node is None:
            return ()
        if not isinstance(node, SequenceNode) or not node.value:
            self._r.wrong(node, f"{where} must be a list", "start each line with '- '")
            return ()
        return tuple(self._choice(item, where) for item in node.value)

    def _choice(self, node: Node, where: str) -> Choice:
        table = self._r.mapping(node, where, _CHOICE)
        self._r.required(table, "go", node, where)
        return Choice(
            go=self._target(table["go"], where) if "go" in table else "",
            heard=self._heard(table.get("heard"), where),
            unheard=self._heard(table.get("not_heard"), where),
            line=node.start_mark.line + 1,
        )

    def _heard(self, node: Node | None, where: str) -> tuple[str, ...]:
        names = self._r.texts(node, where)
        for name, line in names:
            if name not in self._events:
                self._unknown(name, line, f"{where}: '{name}' can never be heard", self._events)
        return tuple(name for name, _ in names)

    def _target(self, node: Node, where: str) -> str:
        name = self._r.text(node, where)
        if name and name not in self._states:
            line = node.start_mark.line + 1
            self._unknown(name, line, f"{where}: there is no state '{name}'", self._states)
        return name

    def _prompt(self, name: str, line: int, where: str) -> str:
        if name not in self._prompts:
            self._unknown(name, line, f"{where}: there is no prompt '{name}'", self._prompts)
        return name

    def _unknown(self, name: str, line: int, what: str, known: Collection[str]) -> None:
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean '{close[0]}'?" if close else "see docs/dialogue.md"
        self._r.mistakes.append(Mistake(line, what, remedy))

    def _times(self, node: Node | None, where: str, usual: int | None) -> int | None:
        if node is None:
            return usual
        value = self._r.number(node, f"{where}: times", 1.0, 1.0, 1000.0)
        if isinstance(node, ScalarNode) and not value.is_integer():
            self._r.wrong(node, f"{where}: times must be a whole number", "write 1, 2, 3 …")
        return int(value)

    def _seconds(
        self, node: Node | None, where: str, usual: float, longest: float = LONGEST_WAIT_S
    ) -> float:
        return self._r.number(node, where, usual, 0.1, longest)
