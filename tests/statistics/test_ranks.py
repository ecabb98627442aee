"""Rank correlation and monotonicity, beside slow twins and by hand."""

from itertools import combinations

import numpy as np
import pytest

from nanoscope.statistics.ranks import monotonicity, spearman


def _ranks(values: np.ndarray) -> np.ndarray:
    """Each value's rank, one by one: how many are below it, and half of how many others equal it."""
    return np.array([(values < one).sum() + ((values == one).sum() - 1) / 2 for one in values])


def test_spearman_is_the_correlation_of_ranks_that_share_ties() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, 40).astype(float), rng.integers(0, 5, 40).astype(float)
    assert spearman(one, other) == pytest.approx(np.corrcoef(_ranks(one), _ranks(other))[0, 1])
    assert spearman(one, np.exp(one)) == pytest.approx(1)
    assert spearman(one, -one) == pytest.approx(-1)


@pytest.mark.parametrize("one", [np.ones(3), np.ones(1), np.ones(0)])
def test_without_an_order_there_is_no_rank_correlation(one: np.ndarray) -> None:
    assert np.isnan(spearman(one, np.arange(float(len(one)))))
    assert np.isnan(spearman(np.arange(float(len(one))), one))
    assert np.isnan(monotonicity(one))


def test_monotonicity_by_hand() -> None:
    assert monotonicity(np.array([1, 1, 2, 3, 3])) == 1
    assert monotonicity(np.array([3, 3, 2])) == -1
    assert monotonicity(np.array([1, 2, 1])) == 0
    assert monotonicity(np.array([1, 3, 2])) == pytest.approx(1 / 3)
    assert np.isnan(monotonicity(np.array([2, 2])))


def test_monotonicity_is_the_count_of_pairs() -> None:
    """To the last bit: it is a ratio of counts, and stored findings hold it."""
    rng = np.random.default_rng(1)
    for length in range(2, 40):
        values = rng.integers(0, 6, length)
        signs = [int(np.sign(later - earlier)) for earlier, later in combinations(values.tolist(), 2)]
        expected = sum(signs) / sum(map(abs, signs)) if any(signs) else np.nan
        np.testing.assert_equal(monotonicity(values), expected)
