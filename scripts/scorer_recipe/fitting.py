"""Logistic regression with an L2 penalty, by Newton's method with conjugate gradients.

Own code, so that whoever has the project can make its model again with nothing but NumPy, and gets
the same weights: sums run in a fixed order, whatever the machine's number of cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = tuple[Sequence[int], Sequence[float]]  # columns and their values

OUTER = 60
INNER = 60
TOLERANCE = 1e-5  # of the gradient, relative to where it began


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix by rows; the last column is the constant 1 of the intercept."""

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Floats
    of_row: NDArray[np.int64]
    width: int

    @classmethod
    def of(cls, rows: Sequence[Row], width: int) -> "Rows":
        lengths = np.array([len(row[0]) + 1 for row in rows])
        columns = np.concatenate([np.append(np.asarray(row[0], dtype=int), width) for row in rows])
        values = np.concatenate([np.append(np.asarray(row[1], dtype=float), 1.0) for row in rows])
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        return cls(starts, columns, values, np.repeat(np.arange(len(rows)), lengths), width + 1)

    def times(self, weights: Floats) -> Floats:
        products: Floats = np.add.reduceat(self.values * weights[self.columns], self.starts)
        return products

    def transposed_times(self, by_row: Floats) -> Floats:
        return np.bincount(
            self.columns, weights=self.values * by_row[self.of_row], minlength=self.width
        )

    def mean_squares(self) -> Floats:
        total = np.bincount(self.columns, weights=self.values**2, minlength=self.width)
        squares: Floats = total / len(self.starts)
        return squares


def fit(rows: Rows, is_positive: Floats, shares: Floats, cost: float) -> Floats:
    """Weights, the intercept last: least of half the square of the weights (the intercept's is
    free) plus ``cost`` times the summed log loss.

    Args:
        is_positive: 1 or 0 for each row.
        shares: how much each row counts.
    """
    weights = np.zeros(rows.width)
    penalty = np.ones(rows.width)
    penalty[-1] = 1e-6
    value, gradient, curvature = _loss(rows, weights, is_positive, shares, cost, penalty)
    first = float(np.linalg.norm(gradient))
    for _ in range(OUTER):
        size = float(np.linalg.norm(gradient))
        if size <= TOLERANCE * first:
            break
        step = _solve(rows, curvature, penalty, -gradient, min(0.1, (size / first) ** 0.5))
        slope = float(gradient @ step)
        length = 1.0
        while True:
            found = _loss(rows, weights + length * step, is_positive, shares, cost, penalty)
            if found[0] <= value + 1e-4 * length * slope or length < 1e-8:
                break
            length /= 2
        weights = weights + length * step
        value, gradient, curvature = found
    return weights


def _loss(
    rows: Rows,
    weights: Floats,
    is_positive: Floats,
    shares: Floats,
    cost: float,
    penalty: Floats,
) -> tuple[float, Floats, Floats]:
    """Value, gradient, and the second derivative by row."""
    log_odds = rows.times(weights)
    losses = np.logaddexp(0.0, log_odds) - is_positive * log_odds
    value = 0.5 * float(penalty @ weights**2) + cost * float(shares @ losses)
    chance = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -500, 500)))
    gradient = penalty * weights + cost * rows.transposed_times(shares * (chance - is_positive))
    return value, gradient, cost * shares * chance * (1.0 - chance)


def _solve(
    rows: Rows, curvature: Floats, penalty: Floats, wanted: Floats, tolerance: float
) -> Floats:
    """Newton's step, by conjugate gradients."""
    step = np.zeros_like(wanted)
    rest = wanted.copy()
    direction = rest.copy()
    size = first = float(rest @ rest)
    for _ in range(INNER):
        if size <= tolerance**2 * first:
            break
        bent = penalty * direction + rows.transposed_times(curvature * rows.times(direction))
        length = size / float(direction @ bent)
        step += length * direction
        rest -= length * bent
        before, size = size, float(rest @ rest)
        direction = rest + (size / before) * direction
    return step
