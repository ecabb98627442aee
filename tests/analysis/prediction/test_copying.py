"""Copying: the places against a slow search, what overwriting does, and models whose answer is known."""

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.prediction import copying
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.experiments.experiment import untrained
from nanoscope.interventions.run import run
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

SYMBOLS = tuple("abcdefghijkl")


@pytest.fixture(scope="module")
def copier() -> Checkpoint:
    """A model that copies."""
    return planted_induction(Vocabulary(SYMBOLS), Planted(context=49))


@pytest.fixture(scope="module")
def text(copier: Checkpoint) -> Passages:
    """Random symbols, in which short matches are frequent."""
    drawn = np.random.default_rng(0).choice(SYMBOLS, 3000)
    return passages(tokenized("".join(drawn), copier.known_vocabulary), 49, 60)


def _slow_sources(row: np.ndarray, match: int, nearest: int) -> np.ndarray:
    size = len(row) - 1
    found = np.zeros((size, size), dtype=bool)
    for read in range(match - 1, size):
        wanted = row[read - match + 1 : read + 2]
        for key in range(match, read - nearest + 1):
            found[read, key] = (row[key - match : key + 1] == wanted).all()
    return found


@pytest.mark.parametrize(("match", "nearest"), [(1, 1), (2, 3), (3, 0), (2, 0)])
def test_sources_are_those_of_a_slow_search(match: int, nearest: int) -> None:
    rows = np.random.default_rng(match).integers(0, 3, (6, 30))
    found = copying.sources(rows, match, nearest)
    for row, one in zip(rows, found, strict=True):
        expected = _slow_sources(row, match, nearest)
        np.fill_diagonal(expected, False)  # a token is no earlier occurrence of itself
        assert np.array_equal(one & ~np.eye(len(one), dtype=bool), expected)
    assert found.any()


def test_copying_is_right_at_every_place_and_windows_take_turns(text: Passages) -> None:
    places = copying.copy_places(text, 1, 90)
    whole = text.text.numpy()
    for window, read, sources in zip(places.window, places.read, places.sources, strict=True):
        for key in np.flatnonzero(sources):
            assert (whole[window, key - 1 : key + 1] == whole[window, read : read + 2]).all()
            assert key <= read - copying.NEAREST
    assert places.sources.any(-1).all()
    counts = np.bincount(places.window, minlength=60)
    every = np.bincount(copying.copy_places(text, 1, 10**6).window, minlength=60)
    assert ((counts == counts.max()) | (counts == counts.max() - 1) | (counts == every)).all()
    assert len(set(zip(places.window.tolist(), places.read.tolist(), strict=True))) == len(places) == 90


def test_a_model_that_copies_pays_for_what_is_overwritten_and_an_untrained_one_does_not(
    text: Passages, copier: Checkpoint
) -> None:
    places = copying.copy_places(text, 1, 24)
    worth = copying.worth(copier.model, text, places)
    assert np.median(worth) > 1
    assert abs(copying.worth(untrained(copier.model, "copying"), text, places).mean()) < 0.03


def test_the_worth_is_the_difference_of_two_plain_runs() -> None:
    """Where a text has two symbols, the overwritten token can only be the other one."""
    generator = torch.Generator().manual_seed(0)
    letters = "".join("ab"[int(i)] for i in torch.randint(2, (400,), generator=generator))
    vocabulary, model = Vocabulary(("a", "b")), random_model(vocab_size=2)
    text = passages(tokenized(letters, vocabulary), 24, 8)
    places = copying.copy_places(text, 2, 6, nearest=8)
    assert len(places) == 6
    found = copying.worth(model, text, places)
    for window, read, sources, worth in zip(places.window, places.read, places.sources, found, strict=True):
        row = text.text[window]
        changed = torch.where(torch.from_numpy(sources), 1 - row[:-1], row[:-1])
        losses = [-run(model, one[None, : read + 1]).logits[0, -1].log_softmax(-1) for one in (row[:-1], changed)]
        assert worth == pytest.approx(float((losses[1] - losses[0])[row[read + 1]]), abs=1e-4)


def test_the_head_that_copies_attends_to_what_is_worth_copying(text: Passages, copier: Checkpoint) -> None:
    places = copying.copy_places(text, 1, 60)
    found = copying.prefix_attention(copier.model, text, places).values.mean(-1)
    assert found[1, 0] > 0.3
    assert np.abs(np.delete(found.ravel(), 2)).max() < 0.05


def test_attention_is_that_of_the_patterns(text: Passages, copier: Checkpoint) -> None:
    some = text[:20]
    places = copying.copy_places(some, 1, 5)
    patterns = run(copier.model, some.tokens, keep=["pattern"]).cache["pattern", 1][:, 0, 1:, 1:]
    found = copying.prefix_attention(copier.model, some, places).values[1, 0]
    for window, read, sources, value in zip(places.window, places.read, places.sources, found, strict=True):
        share = float(patterns[window, read][torch.from_numpy(sources)].sum())
        chance = float(patterns[:, read].mean(0)[torch.from_numpy(sources)].sum())
        assert value == pytest.approx((share - chance) / (1 - chance), abs=1e-4)
