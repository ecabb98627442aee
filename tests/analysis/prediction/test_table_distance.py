"""Distances from n-gram tables: by hand, on readers whose answer is known, and whether the nearest is told from the next."""

import numpy as np
import pytest
import torch
from conftest import random_model
from scipy.stats import entropy

from nanoscope.analysis.prediction import logit_lens, table_distance
from nanoscope.analysis.prediction.table_distance import MEASURES, TABLES, known_answers, nearest, reach
from nanoscope.text.corpora import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

TEXT = ("A MAN:\nThe cat sat on the mat.\nThe cat sat on the hat.\n\nTWO:\nWhy?\n\n") * 6
VOCABULARY = Vocabulary.of(TEXT)


def _passages() -> Passages:
    return passages(tokenized(TEXT, VOCABULARY), 24, 12, 3)


# ---- distances -------------------------------------------------------------------------------------------------------


def test_the_model_against_its_own_table_is_at_distance_zero() -> None:
    """A model that is a unigram table: no blocks matter, the head bias is the log-probabilities."""
    tokens = VOCABULARY.encode(TEXT)
    tables = NGrams.fit(tokens.numpy(), len(VOCABULARY), 2)
    model = random_model(vocab_size=len(VOCABULARY), tied_head=False, head_bias=True, n_layer=1)
    model.lm_head.weight.zero_()
    model.lm_head.bias.copy_(torch.from_numpy(tables.distribution(tokens[None, :1].numpy())[0, 0, 0]).log())
    found = table_distance.of_model(model, _passages(), tables)
    assert np.abs(found.sel(n=1).values).max() < 1e-4
    assert found.sel(n=2, kind="all").values.min() > 1


def test_distances_of_tables_are_those_taken_one_by_one() -> None:
    tokens, text = VOCABULARY.encode(TEXT).numpy(), _passages()
    tables, readers = (NGrams.fit(part, len(VOCABULARY), 3) for part in (tokens[:200], tokens[150:]))
    found = table_distance.of_tables(readers, text, tables)
    p, q = (one.distribution(text.current.numpy()) for one in (tables, readers))
    inside = text.members[0]
    for n, k in np.ndindex(3, 3):
        both = entropy(p[n], q[k], axis=-1)[inside].mean(), entropy(q[k], p[n], axis=-1)[inside].mean()
        assert found[:, n, k] == pytest.approx(both, rel=1e-6)
    losses = table_distance.losses(tables, text)[:, 0].sum(-1) / inside.sum()
    chosen = np.take_along_axis(p, text.targets.numpy()[None, ..., None], -1)[..., 0]
    assert losses == pytest.approx([-np.log(chosen[n])[inside].mean() for n in range(3)], rel=1e-6)
    assert table_distance.of_tables(tables, text, tables)[:, range(3), range(3)] == pytest.approx(0, abs=1e-9)


def test_a_lens_and_a_model_have_the_same_distances_at_the_output() -> None:
    model, text = random_model(vocab_size=len(VOCABULARY)), _passages()
    tables = NGrams.fit(VOCABULARY.encode(TEXT).numpy(), len(VOCABULARY), 2)
    last = logit_lens.over_text(model, text, model.unembed, tables).distances.values[:, :, -1]
    assert table_distance.of_model(model, text, tables).values == pytest.approx(last, rel=1e-4, abs=1e-3)


# ---- which is nearest ------------------------------------------------------------------------------------------------


def test_nearest_is_told_only_where_the_gap_is_larger_than_it_moves() -> None:
    """Three readers: a clear one, one whose gap is smaller than it moves, and one whose halves name another table."""
    whole = np.array([[0.1, 0.5, 0.4], [0.5, 0.4, 0.5], [0.9, 0.6, 0.6]])
    first, second = whole + 0.2, whole + 0.2
    first[1, 0] -= 0.05  # the gap of 0.4 moves by 0.05
    second[0, 1] += 0.15  # that of 0.1 by 0.15
    second[0, 2] += 0.2  # so that the halves differ
    found = nearest(np.stack([whole, first, second]))
    assert found.n.tolist() == [1, 2, 1]
    assert found.told.tolist() == [True, False, False]


def test_tables_that_do_not_move_tell_every_reader_apart() -> None:
    whole = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) + 0.5
    found = nearest(np.stack([whole] * 3))
    assert found.told.all()
    assert reach(np.stack([whole] * 3)) == 4


@pytest.mark.parametrize(
    ("read", "end"), [((1, 2, 3, 4), 4), ((1, 2, 3, 3), 3), ((1, 2, 2, 3), 2), ((1, 2, 3, 1), 1), ((2, 2, 3, 4), 0)]
)
def test_the_instrument_ends_where_a_known_answer_is_misread(read: tuple[int, ...], end: int) -> None:
    """Readers of 1 to 4, read as given: no k beyond the end, and none that a longer reader is taken for."""
    distances = np.ones((3, 4, 4))
    distances[:, np.array(read) - 1, range(4)] = 0
    assert reach(distances) == end


def test_halves_of_a_text_share_nothing_and_are_its_blocks_in_turn() -> None:
    one, other = table_distance.in_halves(np.arange(100_000))
    assert sorted([*one, *other]) == list(range(100_000))
    assert abs(len(one) - len(other)) <= table_distance.BLOCK
    assert (one[: table_distance.BLOCK] == np.arange(table_distance.BLOCK)).all()
    assert (other[: table_distance.BLOCK] >= table_distance.BLOCK).all()


def test_a_reader_that_is_a_k_gram_table_of_the_other_half_is_read_as_k(shakespeare: Corpus) -> None:
    """For every k that the instrument claims to tell, by both directions of the KL; beyond, it says that it ends there."""
    vocabulary = shakespeare.vocabulary
    text = passages(tokenized(shakespeare.val, vocabulary), 64, 24, 6)
    found = known_answers(text, vocabulary.encode(shakespeare.train).numpy(), len(vocabulary), 6)
    assert (found.labels("tables"), found.labels("measure")) == (TABLES, MEASURES)
    for measure, least in (("table to lens", 3), ("lens to table", 3), ("loss", 1)):
        distances = found.sel(measure=measure).values
        read, end = nearest(distances), reach(distances)
        assert least <= end < 6
        assert read.n[:end].tolist() == list(range(1, end + 1))
        assert read.told[:end].all()
        assert not (read.told[end:] & (read.n[end:] < end)).any()
