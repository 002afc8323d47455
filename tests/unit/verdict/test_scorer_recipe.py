"""How the scorer is trained: an exact optimum, the same model each time, levels that are kept."""

import sys
from itertools import islice

import numpy as np
import pytest

from ivr.facts.call import LegName
from ivr.settings import PROJECT_ROOT
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.spotter import Spotter

SCRIPTS = PROJECT_ROOT / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from scorer_recipe.corpus import FOLDER, Mishearing, read, sources  # noqa: E402
from scorer_recipe.fitting import Rows, fit  # noqa: E402
from scorer_recipe.learning import learn, views  # noqa: E402
from scorer_recipe.levels import level_at, scorer_of  # noqa: E402


@pytest.fixture(scope="module")
def examples():  # type: ignore[no-untyped-def]
    spotter = Spotter(Rulebook.load(PROJECT_ROOT / "config/rulebook/vi.yaml"))
    return list(islice(read("author-1", FOLDER / "training/author-1.jsonl", spotter), 30))


def test_the_fit_is_where_the_gradient_vanishes() -> None:
    rng = np.random.default_rng(7)
    dense = (rng.random((200, 12)) < 0.3) * rng.random((200, 12))
    is_positive = (rng.random(200) < 0.4).astype(float)
    shares = rng.random(200)
    rows = Rows.of([(np.flatnonzero(row), row[np.flatnonzero(row)]) for row in dense], 12)
    weights = fit(rows, is_positive, shares, 2.0)
    with_one = np.hstack([dense, np.ones((200, 1))])
    chance = 1 / (1 + np.exp(-with_one @ weights))
    gradient = weights * np.array([1.0] * 12 + [1e-6])
    gradient += 2.0 * with_one.T @ (shares * (chance - is_positive))
    assert np.abs(gradient).max() < 1e-3


def test_rows_multiply_as_the_matrix_does() -> None:
    rows = Rows.of([([0, 2], [1.0, 2.0]), ([], []), ([1], [3.0])], 3)
    dense = np.array([[1.0, 0, 2, 1], [0, 0, 0, 1], [0, 3, 0, 1]])
    weights, by_row = np.array([1.0, -2, 3, 0.5]), np.array([1.0, 2, -1])
    assert np.allclose(rows.times(weights), dense @ weights)
    assert np.allclose(rows.transposed_times(by_row), dense.T @ by_row)
    assert np.allclose(rows.mean_squares(), (dense**2).mean(axis=0))


def test_the_same_dialogues_teach_the_same_model(examples) -> None:  # type: ignore[no-untyped-def]
    once = learn(examples)
    assert learn(examples) == once
    assert scorer_of(once).model.caller == once["caller"]


def test_the_test_part_teaches_nothing() -> None:
    assert not [path for _, path in sources() if "test" in path.stem]


def test_views_hear_the_caller_alone_and_beginnings(examples) -> None:  # type: ignore[no-untyped-def]
    one = examples[0]
    shown = views(one, Mishearing(examples, 0.15), 0)
    whole, alone = shown[0], shown[1]
    assert alone.runs < whole.runs
    assert all(len(view.runs) <= len(whole.runs) for view in shown[3:])
    assert {view.is_scam for view in shown} == {one.is_scam}


def test_mishearing_is_always_the_same_and_keeps_who_speaks(examples) -> None:  # type: ignore[no-untyped-def]
    heard = [Mishearing(examples, 0.2).pieces(examples[0]) for _ in range(2)]
    assert heard[0] == heard[1]
    assert {piece.leg for piece in heard[0]} == {LegName.CALLER, LegName.CALLEE}


@pytest.mark.parametrize(
    ("precision", "kept"),
    [(1.0, [5.0, 4.0]), (0.8, [5.0, 4.0, 3.0, 2.0, 1.0])],
)
def test_a_level_lies_where_the_precision_is_still_held(precision, kept) -> None:  # type: ignore[no-untyped-def]
    values = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    is_scam = [True, True, False, True, True, False]
    at = level_at(values, is_scam, precision)
    assert [value for value in values if value >= at] == kept
