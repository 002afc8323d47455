"""The voice menu, key by key."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialogue import listing, menu, menu_words
from ivr.dialogue.menu import (
    Done,
    File,
    Found,
    HangUp,
    Key,
    LookUp,
    Page,
    Plan,
    Quiet,
    Say,
    Started,
    State,
    Withdraw,
    step,
)
from ivr.dialogue.menu_words import LastCall, ReportState
from ivr.dialogue.spoken import PAUSE
from ivr.facts.judgement import Label
from ivr.settings import PROJECT_ROOT

PLAN = Plan("an")
GUARDED = Plan("an", code="482913")
AT = datetime(2026, 11, 24, 9, 12, tzinfo=timezone(timedelta(hours=7)))
HELD = LastCall(Label.SCAM, "+84987654321", AT, ReportState.HELD)
RECORDED = {
    language: {e.id for e in listing.read(PROJECT_ROOT / "prompts") if e.language == language}
    for language in ("vi", "en")
}


def admitted(last: LastCall | None = HELD, plan: Plan = PLAN) -> State:
    state, _ = step(State(), Started(), replace(plan, code=None))
    state, _ = step(state, Found(last), plan)
    return state


def press(state: State, *digits: str, plan: Plan = PLAN):
    found: tuple = ()
    for digit in digits:
        state, found = step(state, Key(digit), plan)
    return state, found


def pieces(commands) -> list[str]:
    return [piece for command in commands if isinstance(command, Say) for piece in command.pieces]


def test_the_last_verdict_is_read_out_with_number_time_and_report():
    state, commands = step(State(), Started(), PLAN)
    assert commands == (LookUp(),)
    state, commands = step(state, Found(HELD), PLAN)
    said = pieces(commands)
    assert said[0] == "menu_welcome"
    assert [p for p in said if p.startswith("n_")][:10] == [f"n_{d}" for d in "0987654321"]
    assert said.index("menu_at") < said.index("s_hour") < said.index("s_month")
    assert said[said.index("menu_scam") :] == ["menu_scam", "menu_report_held", PAUSE, "menu_keys"]


def test_a_call_without_a_number_and_a_subscriber_without_calls_are_told_so():
    hidden = replace(HELD, number=None)
    assert "menu_last_hidden" in pieces(step(State(), Found(hidden), PLAN)[1])
    shown = replace(HELD, number="Cong an tinh")  # what was shown is no number: it is not read out
    assert "menu_last_hidden" in pieces(step(State(), Found(shown), PLAN)[1])
    assert "menu_none" in pieces(step(State(), Found(None), PLAN)[1])


@pytest.mark.parametrize(("key", "question", "act"), [
    ("2", "menu_confirm_file", File()), ("3", "menu_confirm_withdraw", Withdraw()),
])  # fmt: skip
def test_filing_and_withdrawing_ask_first(key, question, act):
    state, commands = press(admitted(), key)
    assert pieces(commands) == [question]
    assert press(state, "1")[1] == (act,)
    changed_mind, commands = press(state, "3")
    assert pieces(commands) == ["menu_unchanged", "menu_keys"]
    assert changed_mind.page is Page.KEYS
    _, commands = step(state, Quiet(menu.ANSWER_S), PLAN)
    assert pieces(commands) == ["menu_unchanged", "menu_keys"]


@pytest.mark.parametrize(
    ("report", "key"),
    [(r, "2") for r in ReportState if r not in menu.CAN_BE_FILED]
    + [(r, "3") for r in ReportState if r not in menu.CAN_BE_WITHDRAWN],
)
def test_what_cannot_be_done_is_said_with_the_reason(report, key):
    state, commands = press(admitted(replace(HELD, report=report)), key)
    assert state.page is Page.KEYS
    assert pieces(commands)[:2] == [f"menu_report_{report}", "menu_not_possible"]


@pytest.mark.parametrize(("act", "said"), [(File(), "menu_filed"), (Withdraw(), "menu_withdrawn")])
def test_the_outcome_is_said_and_the_new_state_is_known(act, said):
    state = replace(admitted(), page=Page.ACTING)
    after = replace(HELD, report=ReportState.FILED)
    state, commands = step(state, Done(act, True, after), PLAN)
    assert pieces(commands)[0] == said
    assert (state.last, state.page) == (after, Page.KEYS)
    _, commands = step(replace(state, page=Page.ACTING), Done(act, False, after), PLAN)
    assert pieces(commands)[0] == "menu_not_possible"


def test_forwarding_codes_are_read_key_by_key_with_a_number_that_can_be_dialled():
    _, commands = press(admitted(), "4")
    said = pieces(commands)
    assert said[:6] == ["menu_forward_no_answer", "s_star", "s_star", "n_6", "n_1", "s_star"]
    assert said[6:8] == ["menu_forward_number", "s_hash"]
    assert said[said.index("menu_forward_off") :][:7] == [
        *("menu_forward_off", "s_hash", "s_hash", "n_0", "n_0", "n_2", "s_hash"),
    ]
    _, commands = press(admitted(), "4", plan=Plan("02471234567"))
    assert "menu_forward_number" not in pieces(commands)
    assert pieces(commands)[6:17] == [f"n_{digit}" for digit in "02471234567"]


def test_help_again_and_the_other_language():
    assert pieces(press(admitted(), "0")[1])[0] == "menu_help"
    assert "menu_scam" in pieces(press(admitted(), "1")[1])
    state, (say,) = press(admitted(), "9")
    assert say.language == "en"
    assert "s_month_11" in say.pieces
    assert press(state, "9")[1][0].language == "vi"


def test_wrong_keys_and_silence_are_answered_twice_and_then_the_call_ends():
    state = admitted()
    for event, said in ((Key("7"), ["menu_wrong_key", "menu_keys"]), (Quiet(8), ["menu_keys"])):
        state, commands = step(state, event, PLAN)
        assert pieces(commands) == said
    state, commands = step(state, Key("#"), PLAN)
    assert commands[-1] == HangUp()
    assert state.page is Page.OVER


def test_a_good_key_in_between_gives_new_patience():
    state, _ = press(admitted(), "7", "7", "0", "7", "7")
    assert state.page is Page.KEYS


def test_waiting_less_than_the_time_for_an_answer_changes_nothing():
    state = admitted()
    assert step(state, Quiet(menu.ANSWER_S - 0.1), PLAN) == (state, ())


def test_the_right_code_admits_and_nothing_is_looked_up_before():
    state, commands = step(State(), Started(), GUARDED)
    assert pieces(commands) == ["menu_pin"]
    state, commands = press(state, *"48291", plan=GUARDED)
    assert commands == ()
    assert press(state, "3", "#", plan=GUARDED)[1] == (LookUp(),)
    assert step(press(state, "3", plan=GUARDED)[0], Quiet(8), GUARDED)[1] == (LookUp(),)
    restarted, _ = press(state, "*", *"482913", plan=GUARDED)
    assert press(restarted, "#", plan=GUARDED)[1] == (LookUp(),)


@given(st.lists(st.text("0123456789*", max_size=20), min_size=3, max_size=5))
def test_no_other_code_admits_and_after_three_the_call_is_refused(codes):
    state, _ = step(State(), Started(), GUARDED)
    refused = 0
    for code in codes:
        if code.rpartition("*")[2] == GUARDED.code:
            return
        state, commands = press(state, *code, "#", plan=GUARDED)
        assert LookUp() not in commands
        refused += HangUp(was_refused=True) in commands
    assert refused == 1
    assert state.page is Page.OVER


def test_silence_in_place_of_a_code_is_a_wrong_code():
    state, _ = step(State(), Started(), GUARDED)
    for _ in range(3):
        state, commands = step(state, Quiet(8), GUARDED)
    assert commands[-1] == HangUp(was_refused=True)


calls = st.builds(
    LastCall,
    st.sampled_from(Label),
    st.one_of(st.none(), st.sampled_from(["+84987654321", "+375291234567", "Sở TT", "113"])),
    st.just(AT),
    st.sampled_from(ReportState),
)
events = st.one_of(
    st.builds(Key, st.sampled_from("0123456789*#")),
    st.builds(Quiet, st.floats(0, 20)),
    st.builds(Found, st.one_of(st.none(), calls)),
)


@given(st.lists(events, max_size=40), st.sampled_from(["vi", "en"]), st.sampled_from(["an", "113"]))
def test_only_recorded_prompts_are_asked_for_and_nothing_after_the_end(happened, language, access):
    plan = Plan(access, language=language)
    state, commands = step(State(), Started(), plan)
    for event in happened:
        if isinstance(event, Found) and state.page is not Page.LOOKING_UP:
            continue
        was_over = state.page is Page.OVER
        state, commands = step(state, event, plan)
        assert not (was_over and commands)
        for command in commands:
            if isinstance(command, Say):
                wanted = set(command.pieces) - {PAUSE}
                assert wanted <= menu_words.wanted(command.language) <= RECORDED[command.language]
            if isinstance(command, File | Withdraw):
                state, _ = step(state, Done(command, True, HELD), plan)
