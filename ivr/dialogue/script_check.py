"""Is a dialogue walkable: no state that nothing leads to, no loop without listening, no caller
who is held on the line for ever by being silent."""

from collections.abc import Iterator

from ivr.dialogue.script import Choice, Listening, Node, Script
from ivr.yaml_nodes import Mistake


def mistakes(script: Script) -> Iterator[Mistake]:
    """All mistakes of a script whose states and names are known to be right."""
    yield from _unreachable(script)
    yield from _endless(script)
    if not _is_open(script.time_up):
        yield Mistake(
            script.time_up[0].line if script.time_up else 0,
            "time_up: its last line must fit always",
            "end the list with a line that has only 'go:'",
        )
    for choice in script.time_up:
        if not _ends(script, choice.go):
            yield Mistake(
                choice.line,
                f"time_up: state '{choice.go}' does not end the call",
                "go to a state with 'hang_up:'",
            )
    for node in script.nodes.values():
        if node.listening is not None:
            yield from _held(script, node, node.listening)


def _unreachable(script: Script) -> Iterator[Mistake]:
    found: set[str] = set()
    waiting = [*script.starts.values(), *(choice.go for choice in script.time_up)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += script.nodes[name].ways
    for name, node in script.nodes.items():
        if name not in found:
            yield Mistake(node.line, f"nothing leads to state '{name}'", "remove it, or go to it")


def _endless(script: Script) -> Iterator[Mistake]:
    """Loops of prompts: they would speak for ever."""
    told: set[str] = set()
    for start in script.nodes.values():
        path: list[str] = []
        node: Node | None = start
        while node is not None and node.name not in path:
            path.append(node.name)
            node = script.nodes[node.then] if node.then is not None else None
        if node is not None and node.name not in told:
            loop = path[path.index(node.name) :]
            told |= set(loop)
            yield Mistake(
                node.line,
                f"the states {' → '.join([*loop, node.name])} speak for ever",
                "let one of them go to a state that listens",
            )


def _held(script: Script, node: Node, listening: Listening) -> Iterator[Mistake]:
    """A caller who says nothing must come to an end of the call."""
    if not listening.answer and not listening.silence:
        return
    if not _is_open(listening.silence):
        yield Mistake(
            node.line,
            f"state '{node.name}' does not say what to do with a caller who stays silent",
            "end 'silence:' with a line that has only 'go:'",
        )
        return
    last = listening.silence[-1]
    if not _ends(script, last.go):
        yield Mistake(
            last.line,
            f"state '{last.go}' does not end the call of a silent caller",
            "let the last line of 'silence:' go to a state with 'hang_up:'",
        )
    for choice in listening.silence[:-1]:
        if script.nodes[choice.go].times is None and not _ends(script, choice.go):
            yield Mistake(
                choice.line,
                f"state '{choice.go}' would be chosen for ever while the caller is silent",
                "give that state 'times:'",
            )


def _is_open(choices: tuple[Choice, ...]) -> bool:
    return bool(choices) and not choices[-1].heard and not choices[-1].unheard


def _ends(script: Script, name: str) -> bool:
    """Whether a state leads to the end without listening."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        node = script.nodes[name]
        if node.hang_up is not None:
            return True
        if node.then is None:
            return False
        name = node.then
    return False
