"""The screening dialogue, step by step, over a small script and over the one that ships."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialogue import listing
from ivr.dialogue.screening import (
    HangUp,
    Plan,
    Play,
    PromptPlayed,
    Started,
    State,
    Tick,
    step,
)
from ivr.dialogue.script import EVENTS, Choice, Listening, Node, Script
from ivr.facts.call import Mode
from ivr.settings import PROJECT_ROOT

PLAN = Plan(silence_s=8, no_audio_s=30, max_s=600)
PROMPTS = {e.id for e in listing.read(PROJECT_ROOT / "prompts") if e.language == "vi"}
SHIPPED = Script.load(PROJECT_ROOT / "config/dialogue/screening.yaml", (), PROMPTS)
TALK = Listening(
    pause_s=2,
    first_word_s=4,
    answer=(
        Choice("amount", heard=("demand",)),
        Choice("office", heard=("authority",), unheard=("counter",)),
        Choice("stall", heard=("words",)),
    ),
    silence=(Choice("nudge", heard=("nothing",)), Choice("goodbye")),
)
NODES = (
    Node("announcement", ("announcement",), 1, then="talk"),
    Node("only", ("announcement",), 1, then="quiet"),
    Node("quiet", listening=Listening()),
    Node("talk", listening=TALK),
    Node("amount", ("ask_amount",), 1, pause_s=5, then="talk"),
    Node("office", ("ask_office",), 1, then="talk"),
    Node("stall", ("writing", "glasses"), 3, then="talk"),
    Node("nudge", ("nudge_1", "nudge_2"), 2, then="talk"),
    Node("goodbye", ("closing",), hang_up="dialogue finished"),
)
SMALL = Script(
    "1",
    "0" * 64,
    {Mode.ANSWER: "announcement", Mode.LISTEN: "only"},
    (Choice("goodbye"),),
    900.0,
    {node.name: node for node in NODES},
)


def tick(call_s=20.0, silent_s=0.0, packetless_s=0.0, heard=("words",), has_answered=True):
    return Tick(call_s, silent_s, packetless_s, frozenset(heard), has_answered)


def listening(**changes):
    return replace(State(node="talk"), **changes)


def said(state, *ticks):
    """What is said at each tick, the prompt being played to its end in between."""
    found = []
    for each in ticks:
        state, commands = step(state, each, SMALL, PLAN)
        found += commands
        if commands:
            state, more = step(state, PromptPlayed(), SMALL, PLAN)
            found += more
    return found


@pytest.mark.parametrize("mode", [Mode.ANSWER, Mode.LISTEN])
@pytest.mark.parametrize("script", [SMALL, SHIPPED], ids=["small", "shipped"])
def test_the_recording_is_announced_before_anything_else(mode, script):
    assert step(State(), Started(mode), script, PLAN)[1] == (Play("announcement"),)


def test_a_call_that_was_announced_already_is_not_announced_again():
    _, commands = step(State(), Started(Mode.ANSWER, is_announced=True), SHIPPED, PLAN)
    assert commands == (Play("question"),)


def test_listen_mode_says_nothing_after_the_announcement():
    state, _ = step(State(), Started(Mode.LISTEN), SHIPPED, PLAN)
    state, commands = step(state, PromptPlayed(), SHIPPED, PLAN)
    assert commands == ()
    heard = ("words", "demand", "live", "filing")
    assert step(state, tick(silent_s=300, heard=heard), SHIPPED, PLAN) == (state, ())


def test_the_first_line_that_fits_decides_and_no_question_is_asked_twice():
    heard = ("words", "authority", "demand")
    paused = tick(silent_s=5, heard=heard)
    assert said(listening(), paused, paused, paused, paused) == [
        Play("ask_amount"),
        Play("ask_office"),
        Play("writing"),
        Play("glasses"),
    ]


def test_what_must_not_have_been_heard_holds_a_question_back():
    paused = tick(silent_s=2, heard=("words", "authority", "counter"))
    assert said(listening(), paused) == [Play("writing")]


def test_a_caller_who_is_still_talking_is_not_interrupted():
    state = listening()
    assert step(state, tick(silent_s=1.9), SMALL, PLAN) == (state, ())


def test_a_question_may_give_more_time_for_its_answer():
    state, _ = step(listening(), tick(silent_s=2, heard=("words", "demand")), SMALL, PLAN)
    state, _ = step(state, PromptPlayed(), SMALL, PLAN)
    assert step(state, tick(silent_s=4.9), SMALL, PLAN)[1] == ()
    assert step(state, tick(silent_s=5.0), SMALL, PLAN)[1] == (Play("writing"),)


def test_a_silent_caller_is_encouraged_twice_and_then_the_call_is_closed():
    silent = tick(silent_s=4, heard=(), has_answered=False)
    assert said(listening(), silent, silent, silent) == [
        Play("nudge_1"),
        Play("nudge_2"),
        Play("closing"),
        HangUp("dialogue finished"),
    ]


def test_a_caller_who_has_nothing_more_to_say_is_given_the_time_of_the_settings():
    state = listening()
    quiet = tick(silent_s=7.9, has_answered=False)
    assert step(state, quiet, SMALL, PLAN)[1] == ()
    assert step(state, replace(quiet, silent_s=8), SMALL, PLAN)[1] == (Play("closing"),)


def test_with_every_question_asked_the_caller_may_still_talk_until_silence():
    used = listening(visits={"amount": 1, "office": 1, "stall": 3})
    assert step(used, tick(silent_s=3), SMALL, PLAN) == (used, ())
    assert step(used, tick(silent_s=8), SMALL, PLAN)[1] == (Play("closing"),)


@pytest.mark.parametrize("is_speaking", [True, False])
def test_dead_media_ends_the_call_in_any_state(is_speaking):
    state = listening(is_speaking=is_speaking)
    _, commands = step(state, tick(packetless_s=30), SMALL, PLAN)
    assert commands == (HangUp("no audio from the other side"),)


@pytest.mark.parametrize("longest", ["settings", "file"])
def test_the_longest_call_is_closed_politely_in_both_modes(longest):
    plan = replace(PLAN, max_s=100) if longest == "settings" else PLAN
    script = SMALL if longest == "settings" else replace(SMALL, longest_s=100)
    for node in ("talk", "quiet"):
        _, commands = step(State(node=node), tick(call_s=100), script, plan)
        assert commands == (Play("closing"),)


def test_with_evidence_for_filing_the_shipped_dialogue_says_that_it_is_handed_over():
    state = State(node="talk")
    heard = ("words", "live", "filing", "demand")
    _, commands = step(state, tick(silent_s=8, heard=heard, has_answered=False), SHIPPED, PLAN)
    assert commands == (Play("closing_handover"),)


def test_the_shipped_dialogue_asks_a_demanding_caller_what_an_investigator_needs():
    state, asked = State(node="talk"), []
    paused = tick(silent_s=4, heard=("words", "authority", "demand", "live"))
    for _ in range(8):
        state, commands = step(state, paused, SHIPPED, PLAN)
        asked += [command.prompt for command in commands]
        state, _ = step(state, PromptPlayed(), SHIPPED, PLAN)
    assert asked[:5] == ["ask_amount", "ask_account", "writing", "repeat_account", "ask_bank"]
    assert asked[5:] == ["ask_office", "ask_name", "ask_document"]


ticks = st.builds(
    Tick,
    st.floats(0, 1000),
    st.floats(0, 40),
    st.floats(0, 40),
    st.sets(st.sampled_from(sorted(EVENTS - {"nothing"})), max_size=5).map(frozenset),
    st.booleans(),
)


@given(st.lists(st.one_of(st.just(PromptPlayed()), ticks), max_size=80), st.sampled_from(Mode))
def test_nothing_is_said_after_hanging_up_and_the_same_events_give_the_same_call(events, mode):
    state, _ = step(State(), Started(mode), SHIPPED, PLAN)
    hung_up = False
    for event in events:
        again = step(state, event, SHIPPED, PLAN)
        assert again == step(state, event, SHIPPED, PLAN)
        state, commands = again
        assert not (hung_up and commands)
        hung_up = hung_up or any(isinstance(command, HangUp) for command in commands)


@given(st.sets(st.sampled_from(sorted(EVENTS - {"nothing"})), max_size=6).map(frozenset))
def test_however_little_or_much_is_heard_a_silent_caller_is_let_go(heard):
    state, commands = step(State(), Started(Mode.ANSWER), SHIPPED, PLAN)
    for _ in range(60):
        event = PromptPlayed() if commands else tick(40, 40, 0, heard, has_answered=False)
        state, commands = step(state, event, SHIPPED, PLAN)
        if commands and isinstance(commands[0], HangUp):
            return
    raise AssertionError("the call did not end")
