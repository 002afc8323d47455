"""The screening dialogue without a telephone: what is typed counts as said, and time is told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ivr.dialogue import heard, screening
from ivr.dialogue.screening import HangUp, Play, PromptPlayed, Started, State, Tick
from ivr.dialogue.script import Script
from ivr.facts.call import LegName, Mode
from ivr.facts.judgement import Verdict
from ivr.facts.speech import Utterance
from ivr.ports import Judge
from ivr.spotting.spotter import Spotter
from ivr.spotting.tokens import utterances_from_turns

SYLLABLE_S = 0.3


@dataclass(slots=True)
class Rehearsal:
    """One call. Each step returns prompt ids that the agent says now.

    Args:
        plan: as in a real call.
        call_s: seconds the call has lasted: words take ``SYLLABLE_S`` each, prompts what
            ``length_s`` says.
        reason: why the agent hung up; None while the call goes on.
    """

    script: Script
    plan: screening.Plan
    spotter: Spotter
    judge: Judge
    length_s: Callable[[str], float]
    state: State = field(default_factory=State)
    call_s: float = 0.0
    reason: str | None = None
    turns: list[tuple[LegName, str]] = field(default_factory=list)

    def begin(self, mode: Mode = Mode.ANSWER) -> list[str]:
        """Answer the call."""
        return self._go(*screening.step(self.state, Started(mode), self.script, self.plan))

    def hear(self, text: str) -> list[str]:
        """The caller says something, and pauses until the agent takes its turn or would wait
        longer than the caller does."""
        self.turns.append((LegName.CALLER, text))
        self.call_s += SYLLABLE_S * len(text.split())
        return self._pass(has_answered=True)

    def silence(self) -> list[str]:
        """The caller says nothing until the agent does something about it."""
        return self._pass(has_answered=False)

    @property
    def verdict(self) -> Verdict:
        """Of what was typed so far."""
        return self._judged()[1]

    def _judged(self) -> tuple[frozenset[str], Verdict]:
        utterances: tuple[Utterance, ...] = utterances_from_turns(self.turns)
        hits = self.spotter.spot(utterances)
        verdict = self.judge.judge(hits, utterances, self.call_s)
        return heard.names(hits, verdict, has_words=bool(self.turns)), verdict

    def _pass(self, *, has_answered: bool) -> list[str]:
        names, _ = self._judged()
        silent_s, longest_s = 0.0, self.plan.silence_s + self.script.longest_s
        while self.reason is None and silent_s < longest_s:
            silent_s += 0.1
            self.call_s += 0.1
            tick = Tick(self.call_s, silent_s, 0.0, names, has_answered)
            state, commands = screening.step(self.state, tick, self.script, self.plan)
            if commands:
                return self._go(state, commands)
        return []

    def _go(self, state: State, commands: tuple[screening.Command, ...]) -> list[str]:
        said = []
        while commands:
            match commands[0]:
                case Play(prompt):
                    said.append(prompt)
                    self.call_s += self.length_s(prompt)
                    state, commands = screening.step(state, PromptPlayed(), self.script, self.plan)
                case HangUp(reason):
                    self.reason, commands = reason, ()
        self.state = state
        return said
