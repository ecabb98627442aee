"""Rank correlation, beside a slow twin."""

import numpy as np
import pytest

from nanoscope.statistics.ranks import spearman


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
