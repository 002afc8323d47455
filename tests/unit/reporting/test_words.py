"""A report never stumbles over a mode or a leg that it has no words for."""

import pytest

from ivr.facts.call import LegName, Mode
from ivr.locale import words


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_leg_and_every_mode_that_makes_a_case_has_words(language):
    known = words(language)
    assert set(LegName) <= set(known["leg"])
    assert set(Mode) - {Mode.MENU} <= set(known["mode"])
