"""Copying: the places against a slow search, what overwriting does, and models whose answer is known."""

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.prediction import copying
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.interventions.run import run
from nanoscope.model.gpt import untrained
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.text.ngrams import NGrams
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


# ---- places drawn at random, and the controls of what overwriting costs -------------------------------------------------


@pytest.fixture(scope="module")
def passages_twice(letters: Checkpoint) -> Passages:
    """Random letters in which passages of ten return: what follows a match is right within a passage and wrong at its end."""
    rng, rows = np.random.default_rng(3), []
    for _ in range(300):
        passage, rest = rng.choice(26, 10), rng.choice(26, 29)
        rows += [*passage, *rest[:17], *passage, *rest[17:]]
    vocabulary = letters.known_vocabulary
    return passages(tokenized("".join(vocabulary.symbols[i] for i in rows), vocabulary), 50, 240)


@pytest.fixture(scope="module")
def letters() -> Checkpoint:
    """A model that copies, over so many symbols that one of them says where."""
    return planted_induction(Vocabulary(tuple("abcdefghijklmnopqrstuvwxyz")), Planted(context=50))


def test_the_longest_right_match_is_that_of_a_slow_search() -> None:
    rows = np.random.default_rng(9).integers(0, 3, (5, 40))
    found = copying.longest_copies(rows, longest=4, nearest=3)
    for row, lengths in zip(rows, found, strict=True):
        for read, length in enumerate(lengths):
            right = [m for m in (1, 2, 3, 4) if _slow_sources(row, m, 3)[read].any()]
            assert length == max(right, default=0)


def test_drawn_places_are_right_and_none_is_preferred(passages_twice: Passages) -> None:
    """The last match of a window is where a passage ends and copying breaks: it must not be what is drawn."""
    whole = passages_twice.text.numpy()
    lengths = copying.longest_copies(whole)
    every = copying.drawn_places(passages_twice, lengths, 5, 8, 10**6)
    assert len(every) == (lengths >= 5).sum()
    some = copying.drawn_places(passages_twice, lengths, 5, 8, 200)
    for window, read, sources in zip(some.window, some.read, some.sources, strict=True):
        assert sources.any()
        for key in np.flatnonzero(sources):
            assert (whole[window, key - 5 : key + 1] == whole[window, read - 4 : read + 2]).all()
    for length in range(5, 9):
        shares = [(lengths[places.window, places.read] == length).mean() for places in (some, every)]
        assert shares[0] == pytest.approx(shares[1], abs=0.1), "as frequent among the drawn as in the text"
    only = copying.drawn_places(passages_twice, lengths, 3, 3, 10**6)
    assert set(lengths[only.window, only.read].tolist()) == {3}


def test_overwriting_costs_a_model_that_copies_and_overwriting_something_else_does_not(
    passages_twice: Passages, letters: Checkpoint
) -> None:
    lengths = copying.longest_copies(passages_twice.text.numpy())
    places = copying.drawn_places(passages_twice, lengths, 5, 8, 60)
    tables = NGrams.fit(passages_twice.text.numpy().ravel(), 26, 3)
    costs = copying.costs(letters.model, passages_twice, places, tables)
    whole, copies, others, table = (costs.sel(run=name).values for name in copying.RUNS)
    assert np.median(copies - whole) > 5
    assert abs(np.median(others - whole)) < 0.01
    for known, window, read in zip(table[:5], places.window, places.read, strict=False):
        row = passages_twice.text.numpy()[window, : read + 2]
        assert known == pytest.approx(-np.log(tables.prob(row)[-1, -1]))
    blind = copying.costs(untrained(letters.model, "blind"), passages_twice, places, tables)
    assert abs((blind.sel(run="copy overwritten").values - blind.sel(run="whole").values).mean()) < 0.03


def test_as_many_other_tokens_are_overwritten_and_none_of_the_copies(passages_twice: Passages) -> None:
    lengths = copying.longest_copies(passages_twice.text.numpy())
    places = copying.drawn_places(passages_twice, lengths, 1, 8, 150)
    others = copying._as_many_others(np.random.default_rng(0), places)
    assert not (others & places.sources).any()
    assert (others.sum(1) <= places.sources.sum(1)).all()
    assert (others.sum(1) == places.sources.sum(1)).mean() > 0.9
    far = places.read[:, None] - np.arange(others.shape[1]) >= copying.NEAREST
    assert not (others & ~far).any()


def test_a_text_without_copies_has_no_places(letters: Checkpoint) -> None:
    plain = passages(tokenized("abcdefghijklmnopqrstuvwxyz" * 2, letters.known_vocabulary), 26, 2)
    lengths = copying.longest_copies(plain.text.numpy())
    places = copying.drawn_places(plain, lengths, 5, 8, 10)
    assert not len(places)
    costs = copying.costs(letters.model, plain, places, NGrams.fit(plain.text.numpy().ravel(), 26, 2))
    assert costs.values.shape == (4, 0)
