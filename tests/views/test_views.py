"""Views of one text: what they say is what the model does, computed another way."""

from dataclasses import FrozenInstanceError
from itertools import product

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.causal.patching import PatchingResult
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import patch
from nanoscope.interventions.run import run
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics
from nanoscope.tasks.task import pair
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views import heads, lens
from nanoscope.views.patch import Compared, against_shares, compared, grid, patched
from nanoscope.views.patch_cells import as_json, effects, largest

TEXT = "abcabd"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    model = random_model()
    size = model.config.vocab_size
    return Checkpoint(model, Vocabulary(tuple("abcd" + "".join(map(chr, range(200, 196 + size))))))


def test_attention_is_of_the_text_and_sums_to_one(checkpoint: Checkpoint) -> None:
    found = heads.attention(checkpoint, TEXT)
    assert found.labels("query") == found.labels("key") == tuple(TEXT)
    np.testing.assert_allclose(found.values.sum(-1), 1, atol=1e-5)
    shorter = heads.attention(checkpoint, TEXT[:4])
    np.testing.assert_allclose(found.values[..., :4, :4], shorter.values, atol=1e-5)
    with pytest.raises(NanoscopeError, match="two tokens"):
        heads.attention(checkpoint, "a")
    with pytest.raises(NanoscopeError, match="no vocabulary"):
        heads.attention(Checkpoint(checkpoint.model), TEXT)


def test_a_text_is_laid_out_by_tokens_not_by_characters() -> None:
    """Two bytes of one character are two positions; as many labels as there are patterns and readings."""
    checkpoint = Checkpoint(random_model(vocab_size=256), Bytes())
    found = heads.attention(checkpoint, "aé")
    assert found.labels("key") == ("a", "\ufffd", "\ufffd")
    assert found.values.shape[-2:] == (3, 3)
    assert lens.read(checkpoint, "aé", checkpoint.model.unembed).values.labels("place") == ("a", "0xc3", "0xa9")


def test_the_last_reading_of_the_lens_is_the_model(checkpoint: Checkpoint) -> None:
    found = lens.read(checkpoint, TEXT, checkpoint.model.unembed)
    chance, top = checkpoint.model(checkpoint.encode(TEXT)[None])[0].softmax(-1).max(-1)
    np.testing.assert_array_equal(found.values.sel(measure="top").values[-1], top.numpy())
    np.testing.assert_allclose(found.values.sel(measure="chance").values[-1], chance.numpy(), rtol=1e-4)
    assert len(found.symbols) == checkpoint.model.config.vocab_size
    assert ((found.settled >= 0) & (found.settled <= checkpoint.model.config.n_layer)).all()
    with pytest.raises(FrozenInstanceError):
        found.text = "b"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_largest_cells_are_those_of_one_forward_per_head(checkpoint: Checkpoint) -> None:
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    task = pair(vocabulary, "abcab", "dbcab", "c", "d")
    found = patched(model, task, grid(model, task, "heads"))
    clean, corrupt = (run(model, tokens, keep=["z"]) for tokens in (task.clean, task.corrupt))

    def metric(logits: torch.Tensor) -> float:
        return float(metrics.logit_diff(logits[:, task.positions[0]], task))

    high, low = metric(clean.logits), metric(corrupt.logits)
    expected = {}
    for layer, head in product(range(model.config.n_layer), range(model.config.n_head)):
        edit = patch(Site("z", layer, head=head), clean.cache)
        expected[str(layer), str(head)] = (metric(run(model, task.corrupt, [edit]).logits) - low) / (high - low)
    assert against_shares(found) is None
    between = compared(vocabulary, model.config.vocab_size, task)
    cells = largest(found, effects(found, between, model.config.n_layer), 100)
    assert {cell.labels for cell in cells} == expected.keys()
    for cell in cells:
        assert cell.restored == pytest.approx(expected[cell.labels], abs=1e-4)
        assert cell.exact == "exact"
    sizes = [max(abs(cell.restored), abs(cell.destroyed)) for cell in cells]
    assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(NanoscopeError, match="give --layer"):
        grid(model, task, "neurons")


def test_what_is_compared_is_named_symbol_by_symbol() -> None:
    """Bytes too: the last ones of é and è are no characters."""
    between = compared(Bytes(), 256, pair(Bytes(), "aé", "aè"))
    assert (between.answer, between.wrong, between.position) == ("0xa9", "0xa8", 1)
    assert between.clean == between.corrupt == ("a", "0xc3")


@pytest.mark.parametrize(
    ("clean", "corrupt", "why"),
    [
        (2.0, 1.0, None),
        (1.0, 2.0, "the wrong way round"),
        (1.05, 1.0, "less than 0.1"),
        (1.001, 1.0, "too close to rounding"),
        (1.0, 1.0, "too close to rounding"),
    ],
)
def test_shares_are_given_only_of_a_difference_that_is_there(clean: float, corrupt: float, why: str | None) -> None:
    """A planted sweep in which each of three heads changes something else."""
    metric = np.stack([corrupt + np.array([[0.5], [0.1], [0.0]]), clean - np.array([[0.25], [0.0], [0.1]])])[:, None]
    sweep = Sweep(metric, ("direction", "layer", "head", "example"), "metric", {"direction": ("denoise", "noise")})
    found = PatchingResult(np.array([clean]), np.array([corrupt]), sweep, resolution=0.01)
    between = Compared("a", "b", 1, ("x", "y"), ("x", "y"))
    said = against_shares(found)
    assert (said is None) == (why is None)
    assert why is None or why in str(said)
    first = largest(found, effects(found, between, 1), 2)[0]
    scale = clean - corrupt if why is None else 1.0
    assert (first.labels, first.restored, first.destroyed) == (
        ("0", "0"),
        pytest.approx(0.5 / scale),
        pytest.approx(0.25 / scale),
    )
    kept = as_json(found, between, 1)["cells"]
    assert [cell["restored_logits"] for cell in kept] == pytest.approx([0.5, 0.1, 0.0])
    assert all((cell["restored"] is None) == (why is not None) for cell in kept)


def test_cells_that_are_all_equal_single_out_none(checkpoint: Checkpoint) -> None:
    """Texts that differ at the last position read: the residual stream there is all of the difference, in every layer."""
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    task = pair(vocabulary, "abca", "abcb", "c", "d")
    found = patched(model, task, grid(model, task, "residual"))
    assert "every cell has the same effect" in str(against_shares(found)) or found.difference < 0
    named = effects(found, compared(vocabulary, model.config.vocab_size, task), model.config.n_layer)
    assert named.labels("layer") == ("into L0", "into L1", "into L2", "output")
    assert named.labels("pos") == ("3 a/b",)
