"""The screening dialogue, step by step."""

from hypothesis import given
from hypothesis import strategies as st

from ivr.dialogue.screening import (
    HangUp,
    Phase,
    Plan,
    Play,
    PromptPlayed,
    Started,
    State,
    Tick,
    step,
)
from ivr.facts.call import Mode

ANSWER = Plan(Mode.ANSWER, nudge_after_s=4, close_after_silence_s=8, no_audio_s=30, max_s=600)
LISTEN = Plan(Mode.LISTEN, nudge_after_s=4, close_after_silence_s=8, no_audio_s=30, max_s=600)


def tick(call_s=20.0, silent_s=0.0, packetless_s=0.0, has_spoken=True):
    return Tick(call_s, silent_s, packetless_s, has_spoken)


def test_the_recording_is_announced_before_anything_else():
    assert step(State(), Started(), ANSWER)[1] == (Play("announcement"),)
    assert step(State(), Started(), LISTEN)[1] == (Play("announcement"),)


def test_answer_mode_asks_who_is_calling_and_then_listens():
    state, commands = step(State(), PromptPlayed(), ANSWER)
    assert commands == (Play("question"),)
    state, commands = step(state, PromptPlayed(), ANSWER)
    assert (state.phase, commands) == (Phase.LISTENING, ())


def test_listen_mode_says_nothing_after_the_announcement():
    state, commands = step(State(), PromptPlayed(), LISTEN)
    assert (state.phase, commands) == (Phase.LISTENING, ())
    assert step(state, tick(silent_s=300), LISTEN) == (state, ())


def test_a_silent_caller_is_encouraged_twice_and_then_the_call_is_closed():
    state = State(Phase.LISTENING)
    said = []
    for _ in range(3):
        state, commands = step(state, tick(silent_s=4, has_spoken=False), ANSWER)
        said += commands
        state, _ = step(state, PromptPlayed(), ANSWER)
    assert said == [Play("nudge_1"), Play("nudge_2"), Play("closing")]


def test_the_official_line_closes_a_call_once_the_caller_has_finished():
    state, commands = step(State(Phase.LISTENING), tick(silent_s=8), ANSWER)
    assert commands == (Play("closing"),)
    state, commands = step(state, PromptPlayed(), ANSWER)
    assert commands == (HangUp("dialogue finished"),)


def test_a_caller_who_is_still_talking_is_not_interrupted():
    state = State(Phase.LISTENING)
    assert step(state, tick(call_s=300, silent_s=1), ANSWER) == (state, ())


def test_dead_media_ends_the_call_in_any_phase_and_mode():
    for phase in set(Phase) - {Phase.OVER}:
        for plan in (ANSWER, LISTEN):
            _, commands = step(State(phase), tick(packetless_s=30), plan)
            assert commands == (HangUp("no audio from the other side"),)


def test_the_longest_call_is_closed_politely_in_both_modes():
    for plan in (ANSWER, LISTEN):
        _, commands = step(State(Phase.LISTENING), tick(call_s=600), plan)
        assert commands == (Play("closing"),)


@given(
    st.lists(
        st.one_of(
            st.just(PromptPlayed()),
            st.builds(
                Tick,
                st.floats(0, 700),
                st.floats(0, 40),
                st.floats(0, 40),
                st.booleans(),
            ),
        ),
        max_size=60,
    ),
    st.sampled_from([ANSWER, LISTEN]),
)
def test_nothing_is_said_after_hanging_up(events, plan):
    state, _ = step(State(), Started(), plan)
    hung_up = False
    for event in events:
        if hung_up and isinstance(event, PromptPlayed):
            continue
        state, commands = step(state, event, plan)
        assert not (hung_up and commands)
        hung_up = hung_up or any(isinstance(command, HangUp) for command in commands)
