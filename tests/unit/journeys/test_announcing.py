"""When the announcement counts as heard to its end."""

import pytest

from ivr.dialogue import prompts
from ivr.dialogue.screening import ANNOUNCEMENT
from ivr.journeys.conversation import was_heard
from ivr.settings import PROJECT_ROOT
from ivr.telephony.pj_player import _OVERDUE_S


@pytest.mark.parametrize("language", ["vi", "en"])
def test_it_takes_as_long_as_the_recording_on_a_line_that_is_still_up(language):
    lasts_s = prompts.load(PROJECT_ROOT / "prompts", language)[ANNOUNCEMENT].duration_s
    assert was_heard(lasts_s, lasts_s, is_up=True)
    assert was_heard(lasts_s + 3.0, lasts_s, is_up=True)  # a busy machine
    assert not was_heard(lasts_s - 0.5, lasts_s, is_up=True)  # broken off
    assert not was_heard(lasts_s, lasts_s, is_up=False)  # the caller hung up meanwhile


def test_a_prompt_that_the_player_gave_up_was_not_heard():
    """A call on hold hears nothing; the player gives up long after the prompt's time."""
    assert not was_heard(4.0 + _OVERDUE_S, 4.0, is_up=True)
