"""When does a score change during training, and how abruptly? Curves over checkpoints, fitted in the logarithm of the step.

With x = log(step + 1), a logistic y = a + (b - a) / (1 + exp(-(x - x0) / w)) is compared with a line in x and with a power
law y = a + b (step + 1)^-k, by BIC = n log(RSS / n) + p log(n) with p = 4, 2 and 3. The midpoint is exp(x0) - 1, and the
curve goes from 10 to 90 % within a factor of exp(2 w log 9). Given x0 and w (or k), a and b are linear; so each is found on
a fixed grid, for all curves of a bootstrap at once; nine tenths of the change must lie within the training. Source:
methods.md 1.7; BIC: Schwarz 1978.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

WIDTHS = np.geomspace(0.02, 3.0, 36)
POWERS = np.geomspace(0.02, 4.0, 40)
MIDPOINTS = 240
TEN_TO_NINETY = 2 * np.log(9)


class Change(NamedTuple):
    """One fitted change per curve, each `[curve]`."""

    midpoint: Float[np.ndarray, "curve"]
    """Steps."""
    ten: Float[np.ndarray, "curve"]
    """The step at which a tenth of the change is done."""
    ninety: Float[np.ndarray, "curve"]
    factor: Float[np.ndarray, "curve"]
    """From 10 to 90 %, as a ratio of steps (+ 1)."""
    better: Float[np.ndarray, "curve"]
    """BIC of the better of line and power law, less the logistic's: above 10 the logistic has won."""


def change(curves: Float[np.ndarray, "curve step"], steps: Float[np.ndarray, "step"]) -> Change:
    """The best logistic of each curve, beside a line and a power law."""
    x = np.log1p(np.asarray(steps, dtype=np.float64))
    y = curves - curves.mean(1, keepdims=True)
    total = (y**2).sum(1)
    middle, width = (grid.ravel() for grid in np.meshgrid(np.linspace(x[0], x[-1], MIDPOINTS), WIDTHS, indexing="ij"))
    inside = middle + width * TEN_TO_NINETY / 2 <= x[-1]  # or its end would be a guess, and so would its middle
    middle, width = middle[inside], width[inside]
    shapes = 1 / (1 + np.exp(-np.clip((x - middle[:, None]) / width[:, None], -700, 700)))
    explained = _explained(shapes, y)
    best = explained.argmax(0)
    other = [
        _bic(total - _explained(x[None], y).max(0), 2, len(x)),
        _bic(total - _explained(np.exp(-POWERS[:, None] * x), y).max(0), 3, len(x)),
    ]
    better = np.minimum(*other) - _bic(total - explained.max(0), 4, len(x))
    x0, half = middle[best], width[best] * TEN_TO_NINETY / 2
    ten, ninety = (np.maximum(np.expm1(end), steps[0]) for end in (x0 - half, x0 + half))
    return Change(np.expm1(x0), ten, ninety, np.exp(2 * half), better)


def _explained(shapes: Float[np.ndarray, "shape step"], y: Float[np.ndarray, "curve step"]) -> np.ndarray:
    """The sum of squares that each shape, scaled and shifted at best, explains of each (centred) curve."""
    centred = shapes - shapes.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1)
    return (centred / np.where(lengths > 1e-9, lengths, np.inf)[:, None] @ y.T) ** 2


def _bic(squares: Float[np.ndarray, "curve"], parameters: int, count: int) -> Float[np.ndarray, "curve"]:
    return count * np.log(np.maximum(squares, 1e-12) / count) + parameters * np.log(count)
