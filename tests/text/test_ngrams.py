"""n-gram tables: probabilities, a text worked by hand, and the cross-entropies of the standard split."""

import numpy as np
import pytest

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


def test_any_number_of_symbols_is_counted_as_by_dictionaries() -> None:
    rng, symbols = np.random.default_rng(0), 10**9
    tokens, read = rng.choice([3, 7 * 10**8, symbols - 1], 200), rng.choice([3, 7 * 10**8, 5, symbols - 1], 40)
    found = NGrams.fit(tokens, symbols, 5).prob(read)
    for at, order in np.ndindex(40, 5):
        assert found[order, at] == pytest.approx(_by_counting(tokens.tolist(), read.tolist(), at, order + 1, symbols))


def _by_counting(text: list[int], read: list[int], at: int, n: int, symbols: int) -> float:
    """Witten and Bell's estimate of `read[at]` after the n - 1 tokens before it."""
    if n == 0:
        return 1 / symbols
    shorter = _by_counting(text, read, at, n - 1, symbols)
    before = read[at - n + 1 : at]
    if at < n - 1:
        return shorter
    after = [text[end] for end in range(n - 1, len(text)) if text[end - n + 1 : end] == before]
    return (after.count(read[at]) + len(set(after)) * shorter) / (len(after) + len(set(after))) if after else shorter
