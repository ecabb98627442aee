"""When a score changes during training, and how abruptly: curves over checkpoints, fitted in the logarithm of the step.

With x = log(step + 1), a logistic y = a + (b - a) / (1 + exp(-(x - x0) / w)) is compared with a line in x and with a power
law y = a + b (step + 1)^-k, by BIC = n log(RSS / n) + p log(n) with p = 4, 2 and 3. The midpoint is exp(x0) - 1, and the
curve goes from 10 to 90 % within a factor of exp(2 w log 9). Given x0 and w (or k), a and b are linear. So the nonlinear
parameters are searched on a fixed grid, for all curves of a bootstrap at once; the logistic's are then refined on finer
grids around the best point. Nine tenths of the change must lie within the training. Source: docs/methods/training.md; BIC:
Schwarz 1978.

A logistic may beat a line and still describe the curve badly: a score that rises in two steps gets one midpoint and a
short fitted width. So `crossing` also measures when the curve itself has completed a share of its change. For a noisy
curve use its `rising` part (isotonic regression: the nearest curve that never falls; Barlow et al. 1972).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import isotonic_regression

WIDTHS = np.geomspace(0.02, 3.0, 36)
POWERS = np.geomspace(0.02, 4.0, 40)
MIDPOINTS = 240
ROUNDS, SIDE, CHUNK = 7, 5, 200
"""Refinement: number of finer grids around the best point, points per side, curves handled at once."""
TEN_TO_NINETY = 2 * np.log(9)


class Change(NamedTuple):
    """One fitted change per curve, each `[curve]`."""

    midpoint: Float[np.ndarray, "curve"]
    """The step at which half of the change is complete."""
    ten: Float[np.ndarray, "curve"]
    """The step at which a tenth of the change is complete."""
    ninety: Float[np.ndarray, "curve"]
    """The step at which nine tenths are complete."""
    factor: Float[np.ndarray, "curve"]
    """Width of the change from 10 to 90 %, as a ratio of (step + 1)."""
    better: Float[np.ndarray, "curve"]
    """BIC of the better of line and power law, minus the logistic's: above 10, the logistic fits better."""


@dataclass(frozen=True)
class Logistic4:
    """Four-parameter logistics in x = log(step + 1). Height and offset are linear, so least squares finds them."""

    midpoint: Float[np.ndarray, "..."]
    width: Float[np.ndarray, "..."]

    def evaluate(self, x: Float[np.ndarray, "step"]) -> Float[np.ndarray, "... step"]:
        """The curves, scaled to run from 0 to 1."""
        return 1 / (1 + np.exp(-np.clip((x - self.midpoint[..., None]) / self.width[..., None], -700, 700)))

    @classmethod
    def fit(cls, x: Float[np.ndarray, "step"], y: Float[np.ndarray, "curve step"]) -> tuple[Logistic4, np.ndarray]:
        """The best logistic of each (centred) curve, and the sum of squares that it explains: `[curve]`."""
        grids = np.meshgrid(np.linspace(x[0], x[-1], MIDPOINTS), WIDTHS, indexing="ij")
        middle, width = (grid.ravel() for grid in grids)
        inside = middle + width * TEN_TO_NINETY / 2 <= x[-1]  # otherwise its end, and so its middle, would be a guess
        middle, width = middle[inside], width[inside]
        best = _explained(cls(middle, width).evaluate(x), y).argmax(0)
        x0, widths, explained = _refined(x, y, middle[best], width[best])
        return cls(x0, widths), explained


def change(curves: Float[np.ndarray, "curve step"], steps: Float[np.ndarray, "step"]) -> Change:
    """The best logistic of each curve, compared with a line and a power law."""
    x = np.log1p(np.asarray(steps, dtype=np.float64))
    y = curves - curves.mean(1, keepdims=True)
    total = (y**2).sum(1)
    logistic, explained = Logistic4.fit(x, y)
    other = [
        _bic(total - _explained(x[None], y).max(0), 2, len(x)),
        _bic(total - _explained(np.exp(-POWERS[:, None] * x), y).max(0), 3, len(x)),
    ]
    better = np.minimum(*other) - _bic(total - explained, 4, len(x))
    x0, half = logistic.midpoint, logistic.width * TEN_TO_NINETY / 2
    ten, ninety = (np.maximum(np.expm1(end), steps[0]) for end in (x0 - half, x0 + half))
    return Change(np.expm1(x0), ten, ninety, np.exp(2 * half), better)


def crossing(
    curves: Float[np.ndarray, "curve step"], steps: Float[np.ndarray, "step"], share: float
) -> Float[np.ndarray, "curve"]:
    """The step at which each curve first completes a share of its total change, interpolated in log(step + 1)."""
    x = np.log1p(np.asarray(steps, dtype=np.float64))
    height = curves[:, -1:] - curves[:, :1]
    done = (curves - curves[:, :1]) / np.where(height == 0, 1.0, height)
    after = np.maximum((done >= share).argmax(1), 1)
    rows = np.arange(len(curves))
    low, high = done[rows, after - 1], done[rows, after]
    fraction = (share - low) / np.where(high > low, high - low, np.inf)
    return np.expm1(x[after - 1] + fraction * (x[after] - x[after - 1]))


def rising(curves: Float[np.ndarray, "curve step"]) -> Float[np.ndarray, "curve step"]:
    """The nearest curves that never fall."""
    return np.array([isotonic_regression(curve).x for curve in curves])


def _refined(x: np.ndarray, y: np.ndarray, middle: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each curve's midpoint, width and explained squares, refined from the grid, whose points are 3 % of a step apart."""
    parts = [_search(x, y[i : i + CHUNK], middle[i : i + CHUNK], width[i : i + CHUNK]) for i in range(0, len(y), CHUNK)]
    found = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return found[0], found[1], found[2]


def _search(x: np.ndarray, y: np.ndarray, middle: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same for few enough curves at once: each round searches a grid of half the size around the best point."""
    shift, stretch = (grid.ravel() for grid in np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 2, indexing="ij"))
    reach, ratio, rows = (x[-1] - x[0]) / (MIDPOINTS - 1), np.log(WIDTHS[1] / WIDTHS[0]), np.arange(len(y))
    best = np.zeros(len(y))
    for _ in range(ROUNDS):
        middles, widths = middle[:, None] + reach * shift, width[:, None] * np.exp(ratio * stretch)
        shapes = Logistic4(middles, widths).evaluate(x)
        centred = shapes - shapes.mean(2, keepdims=True)
        lengths = np.linalg.norm(centred, axis=2)
        explained = (np.einsum("cks,cs->ck", centred, y) / np.where(lengths > 1e-9, lengths, np.inf)) ** 2
        inside = (
            (middles >= x[0]) & (middles + widths * TEN_TO_NINETY / 2 <= x[-1] + 1e-9) & (widths >= WIDTHS[0] - 1e-9)
        )
        explained = np.where(inside, explained, -1.0)
        which = explained.argmax(1)
        middle, width, best = middles[rows, which], widths[rows, which], explained[rows, which]
        reach, ratio = reach / 2, ratio / 2
    return middle, width, best


def _explained(shapes: Float[np.ndarray, "shape step"], y: Float[np.ndarray, "curve step"]) -> np.ndarray:
    """Sum of squares of each (centred) curve that each shape explains, optimally scaled and shifted: `[shape, curve]`."""
    centred = shapes - shapes.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1)
    return (centred / np.where(lengths > 1e-9, lengths, np.inf)[:, None] @ y.T) ** 2


def _bic(squares: Float[np.ndarray, "curve"], parameters: int, count: int) -> Float[np.ndarray, "curve"]:
    return count * np.log(np.maximum(squares, 1e-12) / count) + parameters * np.log(count)
