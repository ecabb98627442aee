"""What copying could gain: the weights against a slow twin, both ends, and a planted share of copies."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from nanoscope.analysis.prediction.copy_mixture import Predicted, gain, weights
from nanoscope.text.matches import LONGEST
from nanoscope.text.ngrams import NGrams

SYMBOLS = 20


def _windows(copied: float, count: int = 300, seed: int = 0) -> np.ndarray:
    """Uniform symbols in two halves, of which the second repeats the first in a share of the windows."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, SYMBOLS, (2, count, 15))
    again = rng.random(count) < copied
    return np.concatenate([first, np.where(again[:, None], first, second)], axis=1)


TABLES = NGrams.fit(np.random.default_rng(9).integers(0, SYMBOLS, 200_000), SYMBOLS, 1)


def _log_likelihood(part: Predicted, length: int, weight: float) -> float:
    there = part.length == length
    return float(np.log((1 - weight) * part.known[there] + weight * part.right[there]).sum())


def test_the_weights_are_where_a_slow_twin_finds_the_greatest_likelihood() -> None:
    part = Predicted.of(_windows(0.3), TABLES)
    found = weights([(1.0, part)])
    assert found[0] == 0
    for length in range(1, 5):
        twin = minimize_scalar(lambda w, m=length: -_log_likelihood(part, m, w), bounds=(0, 1), method="bounded")
        assert found[length] == pytest.approx(twin.x, abs=1e-4)
    assert (np.diff(found[1:5]) > 0).all(), "the longer the match, the surer the copy"


def test_without_copies_nothing_is_gained_and_with_nothing_but_copies_almost_all() -> None:
    """The second half is worth log 20 a token where it is a copy, but for the first token or two, which tell that it is one."""
    none, whole = (gain([(1.0, Predicted.of(_windows(share, 2000), TABLES))]) for share in (0.0, 1.0))
    assert 0 <= none < 0.002
    assert 0.85 < whole / (np.log(SYMBOLS) * 14 / 29) < 1


def test_shares_of_sets_are_the_same_as_windows_drawn_in_these_shares() -> None:
    with_copies, without = (Predicted.of(_windows(share, 3000), TABLES) for share in (1.0, 0.0))
    for share in (0.1, 0.5):
        exact = gain([(share, with_copies), (1 - share, without)])
        count = int(300 * share)
        rows = np.concatenate([_windows(1.0, 3000)[: 10 * count], _windows(0.0, 3000)[: 3000 - 10 * count]])
        assert exact == pytest.approx(gain([(1.0, Predicted.of(rows, TABLES))]), rel=0.02)
    assert gain([(1.0, with_copies), (0.0, without)]) == pytest.approx(gain([(1.0, with_copies)]))


def test_a_sure_table_leaves_nothing_to_gain() -> None:
    part = Predicted.of(_windows(1.0), TABLES)
    sure = Predicted(np.full_like(part.known, 1 - 1e-12), part.right, part.length)
    assert gain([(1.0, sure)]) == pytest.approx(0, abs=1e-9)
    assert weights([(1.0, part)]).shape == (LONGEST + 1,)
