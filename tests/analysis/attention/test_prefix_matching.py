"""Prefix matching by several tokens: against loops, and for heads whose way of looking is known."""

import numpy as np
import pytest
import torch
from conftest import random_model
from torch import Tensor

from nanoscope.analysis.attention import prefix_matching
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.interventions.run import run

NEAREST = 4


def _text(windows: int, size: int, symbols: int, seed: int = 0) -> Tensor:
    """Random blocks, each twice: with few symbols, single ones are ambiguous and longer strings are not."""
    rng = np.random.default_rng(seed)
    block = rng.integers(0, symbols, (windows, size // 2))
    return torch.from_numpy(np.concatenate([block, block], axis=1))


def _matched(row: np.ndarray, query: int, match: int) -> list[int]:
    """The keys after an earlier occurrence of the last `match` tokens, in a plain search."""
    return [
        key
        for key in range(match, query - NEAREST + 1)
        if query >= match - 1 and (row[key - match : key] == row[query - match + 1 : query + 1]).all()
    ]


def test_keys_are_those_of_a_plain_search() -> None:
    text = _text(3, 24, 3)
    keys = prefix_matching.keys_of(text, NEAREST, 3)
    for window, row in enumerate(text.numpy()):
        for query in range(24):
            for match in (1, 2, 3):
                found = keys.matched[match - 1, window, query].nonzero().flatten().tolist()
                alike = keys.lookalikes[match - 1, window, query].nonzero().flatten().tolist()
                assert found == _matched(row, query, match)
                assert alike == sorted(set(_matched(row, query, 1)) - set(found))


@pytest.mark.parametrize("start", [None, 12])
def test_scores_are_those_of_loops_over_their_definitions(start: int | None) -> None:
    model, text = random_model(), _text(3, 20, 3, seed=1)
    scores = prefix_matching.prefix_scores(model, text, start, NEAREST, 2)
    lead = 0 if start is None else 1
    tokens = text if start is None else torch.cat([torch.full((3, 1), start), text], dim=1)
    pattern = run(model, tokens, keep=["pattern"]).cache["pattern", 1][:, 0, lead:, lead:].numpy()
    for window, row in enumerate(text.numpy()):
        above, beside = [], []
        for query in range(20):
            keys, alike = _matched(row, query, 2), sorted(set(_matched(row, query, 1)) - set(_matched(row, query, 2)))
            if keys:
                uniform = len(keys) / (query + 1 + lead)
                above.append((pattern[window, query, keys].sum() - uniform) / (1 - uniform))
            if keys and alike:
                here, there = pattern[window, query, keys].sum(), pattern[window, query, alike].mean() * len(keys)
                beside.append(here - there)
        for baseline, values in zip(prefix_matching.BASELINES, (above, beside), strict=True):
            sums = scores.sums.sel(baseline=baseline, match=2).values[1, 0, window]
            assert sums == pytest.approx(sum(values), abs=1e-4)
            assert scores.queries.sel(baseline=baseline, match=2).values[window] == len(values)


def _looking(at: Tensor) -> Tensor:
    """The pattern of a head that looks at these keys alike, or else at itself: `[1, window, 1, query, key]`."""
    weights = at.float() + torch.eye(at.shape[-1]) * (at.sum(-1, keepdim=True) == 0)
    return (weights / weights.sum(-1, keepdim=True))[None, :, None]


def _mean(scores: prefix_matching.PrefixScores, baseline: str, match: int) -> float:
    most = {"baseline": baseline, "match": match}
    return float(scores.sums.sel(**most).values.sum() / scores.queries.sel(**most).values.sum())


def test_a_head_that_matches_three_is_told_from_one_that_matches_one_and_from_one_that_likes_a_symbol() -> None:
    text = _text(8, 80, 4, seed=2)
    keys = prefix_matching.keys_of(text, NEAREST)
    heads = {
        "three": _looking(keys.matched[2]),
        "one": _looking(keys.matched[0]),
        "symbol": _looking((text[:, None, :] == 0) & torch.ones(80, 80, dtype=torch.bool).tril(-NEAREST)),
        "uniform": _looking(torch.ones(8, 80, 80, dtype=torch.bool).tril()),
    }
    found = {name: prefix_matching.of_patterns(pattern, keys, 0) for name, pattern in heads.items()}
    beside = {name: _mean(scores, "above lookalikes", 3) for name, scores in found.items()}
    assert beside["three"] == pytest.approx(1.0, abs=1e-6)
    assert abs(beside["one"]) < 1e-6
    assert abs(beside["symbol"]) < 0.05
    assert _mean(found["one"], "above uniform", 1) == pytest.approx(1.0, abs=1e-6)
    assert all(abs(_mean(found["uniform"], "above uniform", k)) < 1e-6 for k in range(1, 6))
    assert abs(_mean(found["uniform"], "above lookalikes", 4)) < 1e-6


def test_the_planted_induction_head_is_seen_and_looks_for_one_token_only(small_planted: Checkpoint) -> None:
    start = small_planted.known_vocabulary.start
    scores = prefix_matching.prefix_scores(small_planted.model, _text(6, 32, 5), start, NEAREST, 3)
    ratio = scores.sums.values.sum(-1) / np.maximum(scores.queries.values.sum(-1), 1)[:, :, None, None]
    assert ratio[0, 0].argmax() == 2, "L1H0"
    assert ratio[0, 0, 1, 0] > 0.6
    assert np.abs(ratio[1, 1:]).max() < 1e-3
