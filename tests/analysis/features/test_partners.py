"""Features of two dictionaries by what they do: a slow twin, a planted answer, and what luck finds on the choosing text."""

import numpy as np
import pytest

from nanoscope.analysis.features.active import Active
from nanoscope.analysis.features.partners import Halves, alike, correlation_of_pairs, partners

LATENTS, CHARS = 30, 400


def _drawn(seed: int, latents: int = LATENTS) -> np.ndarray:
    """Latents that are active on a tenth of the characters; the last one never is."""
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=(latents, CHARS)) * (rng.random((latents, CHARS)) < 0.1)
    values[-1] = 0
    return values.astype(np.float32)


def _active(values: np.ndarray) -> Active:
    latent, char = values.nonzero()
    return Active(*values.shape, latent, char, values[latent, char])


def test_every_pair_is_what_numpy_says() -> None:
    mine, other = _drawn(0), _drawn(1, 40)
    expected = np.corrcoef(mine[:-1], other[:-1])[: LATENTS - 1, LATENTS - 1 :]
    found = partners(_active(mine), _active(other))
    assert found[:-1].tolist() == expected.argmax(1).tolist()
    pairs = correlation_of_pairs(_active(mine), _active(other), found)
    assert pairs[:-1] == pytest.approx(expected.max(1), abs=1e-6)
    assert pairs[-1] == 0


def test_blocks_of_latents_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = _active(_drawn(0)), _active(_drawn(1))
    whole = partners(mine, other)
    monkeypatch.setattr("nanoscope.analysis.features.partners.ROWS", 7)
    assert partners(mine, other).tolist() == whole.tolist()


def test_shuffled_features_are_found_and_those_that_only_luck_finds_are_not() -> None:
    """Half of the other dictionary's features are these, in another order and ten times as strong; the rest are strangers."""
    order = np.random.default_rng(5).permutation(LATENTS)
    shared = np.arange(LATENTS) < LATENTS // 2
    halves = []
    for seed in (0, 1):
        mine, strange = _drawn(seed), _drawn(seed + 10)
        halves.append((mine, np.where(shared[:, None], 10 * mine, strange)[order]))
    mine, other = (Halves(*(_active(half[which]) for half in halves)) for which in (0, 1))
    found = alike(mine, other)
    assert found[shared] == pytest.approx(1)
    chosen = partners(mine.choosing, other.choosing)
    lucky = correlation_of_pairs(mine.choosing, other.choosing, chosen)[~shared][:-1]
    assert lucky.mean() > 0.1, "on the text on which it was chosen, the best of many looks alike"
    assert abs(found[~shared].mean()) < 0.04
