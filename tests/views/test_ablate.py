"""Components taken away or scaled: identities, values at both ends, and the slow twin of every way to replace."""

import numpy as np
import pytest
import torch
from conftest import LETTERS, random_model

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, Edit, zero
from nanoscope.interventions.run import run
from nanoscope.model.names import component
from nanoscope.text.corpora import Corpus
from nanoscope.text.windows import windows
from nanoscope.views import ablate
from nanoscope.views.sample import WINDOWS

TEXT = "abcabdacbz"
NAMES = ("L0H1", "L1.mlp", "L2N17", "L1.attn")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


def logits(checkpoint: Checkpoint, edits: tuple[AnyEdit, ...] = ()) -> np.ndarray:
    return run(checkpoint, TEXT, edits).logits[0].numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_of_one_changes_nothing_and_zero_takes_it_away(checkpoint: Checkpoint, name: str) -> None:
    by = {factor: logits(checkpoint, ablate.changes(checkpoint, TEXT, [f"{name}*{factor}"])) for factor in ("1", "0")}
    assert np.array_equal(by["1"], logits(checkpoint))
    np.testing.assert_allclose(by["0"], logits(checkpoint, (zero(component(name)),)), atol=1e-6)
    assert not np.allclose(by["0"], by["1"])


def test_a_negative_factor_is_the_edit_of_that_value(checkpoint: Checkpoint) -> None:
    site = component("L1N5")
    value = run(checkpoint, TEXT, keep=[("post", 1)]).cache[site]
    found = logits(checkpoint, ablate.changes(checkpoint, TEXT, ["L1N5*-2.5"]))
    np.testing.assert_allclose(found, logits(checkpoint, (Edit(site, -2.5 * value),)), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_text_as_the_other_changes_nothing(checkpoint: Checkpoint, name: str) -> None:
    found = ablate.changes(checkpoint, TEXT, [name], "other", TEXT)
    np.testing.assert_allclose(logits(checkpoint, found), logits(checkpoint), atol=1e-6)


def test_a_shorter_text_is_repeated_and_a_longer_one_cut(checkpoint: Checkpoint) -> None:
    assert "".join(LETTERS.symbols[token] for token in ablate.repeated(checkpoint, "xyz", 10)) == "xyzxyzxyzx"
    whole = run(checkpoint, "xyzxyzxyzx", keep=["z"]).cache[component("L0H1")]
    for other in ("xyz", "xyzxyzxyzxyz"):
        found = ablate.changes(checkpoint, TEXT, ["L0H1"], "other", other)
        assert np.array_equal(logits(checkpoint, found), logits(checkpoint, (Edit(component("L0H1"), whole),)))


def test_corpus_means_are_means_over_all_its_windows_at_once(checkpoint: Checkpoint) -> None:
    corpus = Corpus("letters", "".join(LETTERS.symbols[n] for n in torch.randint(26, (6000,)).tolist()))
    means = ablate.corpus_means(checkpoint, corpus)
    read = windows(checkpoint.encode(corpus.val), 24, WINDOWS * 24).tokens
    together = run(checkpoint.model, read, keep=["post", "z"]).cache
    for name in ("L0H1", "L2N17"):
        (edit,) = ablate.changes(checkpoint, TEXT, [name], "corpus", means=means)
        assert isinstance(edit, Edit)
        np.testing.assert_allclose(edit.to, together[component(name)].mean((0, 1)), atol=1e-5)


@pytest.mark.parametrize("name", ["L0H1*x", "L0H1*nan", "L0H1*101", "L0H1*", "L0*2", "L9H0", "L0N99"])
def test_what_cannot_be_changed_is_said(checkpoint: Checkpoint, name: str) -> None:
    with pytest.raises(NanoscopeError):
        ablate.changes(checkpoint, TEXT, [name])


def test_an_empty_other_text_is_said(checkpoint: Checkpoint) -> None:
    with pytest.raises(NanoscopeError, match="the other text is empty"):
        ablate.changes(checkpoint, TEXT, ["L0H1"], "other", "")
