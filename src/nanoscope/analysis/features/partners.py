"""Does a dictionary of another model have the same features? By what they do on the same text.

    partner(i) = argmax over j of corr(a_i, b_j)        on some characters
    alike(i)   = corr(a_i, b_partner(i))                on others

Directions of two models cannot be compared, activations can (Bricken et al. 2023, "Towards Monosemanticity", universality). On
characters on which it was not chosen, the best of thousands is no better by luck.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from nanoscope.analysis.features.active import Active

ROWS = 1024
"""Latents whose correlations with all others are held at a time."""


class Halves(NamedTuple):
    """The active latents of one dictionary: on the characters on which partners are chosen, and on those that judge them."""

    choosing: Active
    judging: Active


def alike(mine: Halves, other: Halves) -> Float[np.ndarray, "latent"]:
    """For each latent its correlation with its partner in another dictionary, judged on other characters than it was chosen on.

    0 where one of the two is never active there.
    """
    return correlation_of_pairs(mine.judging, other.judging, partners(mine.choosing, other.choosing))


def partners(mine: Active, other: Active) -> Int[np.ndarray, "latent"]:
    """For each latent the one of the other dictionary whose activations correlate most with its own."""
    a, b = _matrix(mine), _matrix(other)
    (mean_a, deviation_a), (mean_b, deviation_b) = _moments(a, mine.chars), _moments(b, mine.chars)
    found = []
    for first in range(0, mine.latents, ROWS):
        some = slice(first, first + ROWS)
        covariance = (a[some] @ b.T).toarray() / mine.chars - np.outer(mean_a[some], mean_b)
        found.append(_share(covariance, np.outer(deviation_a[some], deviation_b)).argmax(1))
    return np.concatenate(found)


def correlation_of_pairs(mine: Active, other: Active, of: Int[np.ndarray, "latent"]) -> Float[np.ndarray, "latent"]:
    """The correlation of each latent with one of the other dictionary."""
    a, b = _matrix(mine), sparse.csr_array(_matrix(other)[of])
    (mean_a, deviation_a), (mean_b, deviation_b) = _moments(a, mine.chars), _moments(b, mine.chars)
    covariance = np.asarray(a.multiply(b).sum(1)).ravel() / mine.chars - mean_a * mean_b
    return _share(covariance, deviation_a * deviation_b)


def _matrix(active: Active) -> sparse.csr_array:
    shape = (active.latents, active.chars)
    return sparse.csr_array((active.value.astype(np.float64), (active.latent, active.char)), shape)


def _moments(rows: sparse.csr_array, chars: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every row, over all characters."""
    mean, square = (np.asarray(part.sum(1)).ravel() / chars for part in (rows, rows.multiply(rows)))
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _share(covariance: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Correlations; 0 where one of the two never varies."""
    return np.divide(covariance, deviations, out=np.zeros_like(covariance), where=deviations > 0)
