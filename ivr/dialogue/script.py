"""The screening dialogue as data: states, what is said in them, what is listened for, what next.

The file is written by people (``config/dialogue``, see docs/dialogue.md) and read by
``script_reader``; the steps through it are in ``screening``.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import InputError
from ivr.facts.call import Mode
from ivr.facts.judgement import Level, Stage

WORDS = "words"
NOTHING = "nothing"
EVENTS = frozenset({WORDS, NOTHING, Level.LIVE.value, Level.FILING.value}) | set(Stage)
"""What can be heard in any installation: something or nothing, how far the verdict reaches, the
stages of a scam. The concepts of the rulebook come on top."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a list; the first line that fits decides.

    Args:
        heard: all of these must have been heard in this call.
        unheard: none of these.
        go: the state to go to.
    """

    go: str
    heard: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    line: int = 0

    def fits(self, heard: Collection[str]) -> bool:
        """Whether what was heard so far allows it."""
        return all(name in heard for name in self.heard) and not any(
            name in heard for name in self.unheard
        )


@dataclass(frozen=True, slots=True)
class Listening:
    """Times in seconds.

    Args:
        pause_s: the caller has spoken and is quiet for so long: our turn.
        first_word_s: how long to wait when nothing at all was said yet.
        silence_s: how long to wait when nothing was said since we spoke; None: the setting
            ``call.close_after_silence_s``.
        answer: what to do when it is our turn.
        silence: what to do when the caller stays silent; both lists empty: only listen.
    """

    pause_s: float = 1.8
    first_word_s: float = 5.0
    silence_s: float | None = None
    answer: tuple[Choice, ...] = ()
    silence: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A state: it says something and goes on, or it listens.

    Args:
        say: prompt ids, one a visit, in order; after the last one it is said again.
        times: how often a list may choose it; None: no limit.
        pause_s: for the answer to this prompt, in place of the listening state's.
        then: the state after the prompt.
        hang_up: the reason for ending the call after the prompt; None: the call goes on.
    """

    name: str
    say: tuple[str, ...] = ()
    times: int | None = None
    pause_s: float | None = None
    then: str | None = None
    hang_up: str | None = None
    listening: Listening | None = None
    line: int = 0

    @property
    def ways(self) -> Iterator[str]:
        """States that it can lead to."""
        if self.then is not None:
            yield self.then
        if self.listening is not None:
            for choice in (*self.listening.answer, *self.listening.silence):
                yield choice.go


@dataclass(frozen=True, slots=True)
class Script:
    """A whole dialogue.

    Args:
        sha256: of its content without layout and comments; noted in every case.
        starts: where a call of each mode begins; the first prompt is the announcement.
        time_up: where to go when the call has lasted ``longest_s``.
        longest_s: seconds; the setting ``call.max_s`` holds besides.
    """

    version: str
    sha256: str
    starts: Mapping[Mode, str]
    time_up: tuple[Choice, ...]
    longest_s: float
    nodes: Mapping[str, Node]

    @classmethod
    def load(cls, path: Path, concepts: Collection[str], prompts: Collection[str]) -> "Script":
        """Read and check a file.

        Args:
            concepts: names that the rulebook can hear.
            prompts: ids of the prompts that are recorded in the language in use.

        Raises:
            InputError: the file has mistakes; ``why`` names each with its line.
        """
        from ivr.dialogue.script_reader import read

        script, mistakes = read(path, concepts, prompts)
        if mistakes or script is None:
            raise InputError(
                f"The dialogue {path} has {len(mistakes)} mistakes.",
                why="; ".join(f"{path.name} {mistake}" for mistake in mistakes),
                remedy="Correct them and run `ivr dialogue check`.",
            )
        return script

    @property
    def said(self) -> frozenset[str]:
        """Every prompt it may say."""
        return frozenset(prompt for node in self.nodes.values() for prompt in node.say)
