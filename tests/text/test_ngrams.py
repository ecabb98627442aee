"""n-gram tables: probabilities, a text worked by hand, and the cross-entropies of the standard split."""

import numpy as np
import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora import Corpus
from nanoscope.text.ngrams import NGrams


def test_witten_bell_worked_by_hand() -> None:
    """abab: P1(a) = (2 + 2/2) / (4 + 2); after a, b was seen twice and nothing else."""
    tables = NGrams.fit(np.array([0, 1, 0, 1]), 2, 2)
    after_a = tables.distribution(np.array([0]))
    assert after_a[0, 0] == pytest.approx([0.5, 0.5])
    assert after_a[1, 0] == pytest.approx([(0 + 1 * 0.5) / 3, (2 + 1 * 0.5) / 3])


def test_an_unseen_context_falls_back_to_the_shorter_one() -> None:
    tables = NGrams.fit(np.array([0, 1, 0, 1, 2]), 4, 3)
    unseen = tables.distribution(np.array([3, 3]))
    assert np.allclose(unseen[2, 1], unseen[0, 1])


def test_distributions_sum_to_one_and_agree_with_probabilities(shakespeare: Corpus) -> None:
    train, val = (tokens.numpy() for tokens in shakespeare.split(shakespeare.vocabulary))
    tables = NGrams.fit(train[:200_000], 65, 5)
    windows = val[:600].reshape(3, 200)
    distribution = tables.distribution(windows)
    assert np.abs(distribution.sum(-1) - 1).max() < 1e-12
    of_next = np.take_along_axis(distribution[:, :, :-1], windows[None, :, 1:, None], -1)[..., 0]
    assert np.abs(of_next - tables.prob(windows)[:, :, 1:]).max() < 1e-15


def test_cross_entropies_of_the_standard_split(shakespeare: Corpus) -> None:
    train, val = (tokens.numpy() for tokens in shakespeare.split(shakespeare.vocabulary))
    losses = -np.log(NGrams.fit(train, 65, 7).prob(val)).mean(1)
    assert losses == pytest.approx([3.347, 2.486, 2.049, 1.774, 1.669, 1.698, 1.779], abs=0.002)


def test_an_order_that_does_not_fit_is_refused() -> None:
    with pytest.raises(NanoscopeError, match="too many"):
        NGrams.fit(np.array([0, 1]), 65, 11)


@pytest.mark.parametrize(
    ("symbols", "most", "order"), [(65, 7, 7), (65, 20, 10), (2, 100, 62), (50_257, 7, 4), (128, 9, 8)]
)
def test_the_largest_order_is_the_last_that_can_be_counted(symbols: int, most: int, order: int) -> None:
    assert NGrams.largest_order(symbols, most) == order
    NGrams.fit(np.arange(2), symbols, order)
    if order < most:
        with pytest.raises(NanoscopeError, match="too many"):
            NGrams.fit(np.arange(2), symbols, order + 1)
