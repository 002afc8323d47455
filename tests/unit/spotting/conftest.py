"""The project's own rulebook, compiled once for the tests of this room."""

from pathlib import Path

import pytest

from ivr.settings import PROJECT_ROOT
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    return Rulebook.load(PROJECT_ROOT / "config/rulebook/vi.yaml")


@pytest.fixture(scope="session")
def spotter(rulebook: Rulebook) -> Spotter:
    return Spotter(rulebook)


@pytest.fixture
def rulebooks() -> Path:
    """Rulebook fixtures, each named for its mistake."""
    return Path(__file__).parent / "rulebooks"
