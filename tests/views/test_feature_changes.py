"""Features silenced and raised: a planted dictionary whose values are known, the slow twin, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import LETTERS, random_model

from nanoscope.analysis.features.effects import without
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.coder import Coder, Shape, starting
from nanoscope.dictionaries.source import Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, zero
from nanoscope.interventions.generate import generate
from nanoscope.interventions.run import run
from nanoscope.model.names import component
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views import ablate
from nanoscope.views.feature_changes import FeatureChange, OpenDictionary, require_own
from nanoscope.views.features import FeatureView

TEXT = "abcabdacbz"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


def orthonormal(checkpoint: Checkpoint, name: str) -> Dictionary:
    """Every direction of the activation as a feature, both ways: what is silenced is exactly 0 afterwards."""
    source = Source.named(name)
    _, width = source.widths(checkpoint.model)
    coder = Coder(Shape("relu", width, width, 2 * width, 1)).eval().requires_grad_(False)
    axes = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(0))).Q
    coder.W_enc.copy_(torch.cat([axes, -axes]))
    coder.W_dec.copy_(torch.cat([axes, -axes]))
    return Dictionary(coder, source)


def transcoder(checkpoint: Checkpoint, layer: int) -> Dictionary:
    width = checkpoint.model.config.n_embd
    return Dictionary(starting(Shape("topk", width, width, 40, 4), False, layer), Source.named(f"mlp.{layer}"))


def opened(*dictionaries: Dictionary, largest: float = 2.0) -> list[OpenDictionary]:
    return [
        OpenDictionary(one, lambda one=one: np.full(one.coder.shape.latents, largest, np.float32))
        for one in dictionaries
    ]


def logits(checkpoint: Checkpoint, edits: tuple[AnyEdit, ...] = ()) -> np.ndarray:
    return run(checkpoint, TEXT, edits).logits[0].numpy()


def values(checkpoint: Checkpoint, of: Dictionary, edits: tuple[AnyEdit, ...] = ()) -> torch.Tensor:
    kept = run(checkpoint, TEXT, edits, keep=of.source.keep(checkpoint.model)).cache
    return of.coder.encode(of.source.pairs(checkpoint.model, kept).x)[0]


@pytest.mark.parametrize("name", ["resid_post.0", "z.1", "z.1.1", "post.1"])
def test_what_is_silenced_is_zero_and_all_else_as_it_was(checkpoint: Checkpoint, name: str) -> None:
    planted = orthonormal(checkpoint, name)
    before = values(checkpoint, planted)
    two = [int(at) for at in before.max(0).values.argsort(descending=True)[:2]]
    edits = ablate.changes(checkpoint, TEXT, [f"D0F{at}" for at in two], dictionaries=opened(planted))
    after = values(checkpoint, planted, edits)
    assert float(before[:, two].max()) > 0.1
    expected = before.clone()
    expected[:, two] = 0
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-4)
    by_hand = tuple(without(checkpoint.model, planted.source, planted.coder, before, at) for at in two)
    np.testing.assert_allclose(logits(checkpoint, edits), logits(checkpoint, by_hand), atol=1e-5)


def test_a_feature_that_is_nowhere_active_changes_nothing(checkpoint: Checkpoint) -> None:
    planted = orthonormal(checkpoint, "resid_post.1")
    planted.coder.b_enc[3] = -1000
    edits = ablate.changes(checkpoint, TEXT, ["D0F3"], dictionaries=opened(planted))
    assert np.array_equal(logits(checkpoint, edits), logits(checkpoint))


def test_values_are_those_of_the_run_with_everything_else_changed(checkpoint: Checkpoint) -> None:
    low, high = transcoder(checkpoint, 0), transcoder(checkpoint, 1)
    off = (zero(component("L0H1")),)
    first = int(values(checkpoint, low, off).max(0).values.argmax())
    lower = (*off, without(checkpoint.model, low.source, low.coder, values(checkpoint, low, off), first))
    second = int(values(checkpoint, high, lower).max(0).values.argmax())
    by_hand = (
        *lower,
        without(checkpoint.model, high.source, high.coder, values(checkpoint, high, lower), second),
    )
    names = [f"D0F{second}", "L0H1", f"D1F{first}"]  # the upper one is named first
    edits = ablate.changes(checkpoint, TEXT, names, dictionaries=opened(high, low))
    np.testing.assert_allclose(logits(checkpoint, edits), logits(checkpoint, by_hand), atol=1e-5)
    assert not np.allclose(logits(checkpoint, edits), logits(checkpoint, off), atol=1e-3)


def test_a_raised_feature_is_steered_by_its_largest_value(checkpoint: Checkpoint) -> None:
    rng = np.random.default_rng(0)
    corpus = Corpus("letters", "".join(rng.choice(list(LETTERS.symbols), 30_000)))
    planted = orthonormal(checkpoint, "resid_post.1")
    view = FeatureView.of(planted, checkpoint, corpus)
    edits = ablate.changes(checkpoint, TEXT, ["D0F5-1.5"], dictionaries=[view.changeable])
    steered = view.steered(5, -1.5).edits
    assert np.array_equal(logits(checkpoint, edits), logits(checkpoint, steered))
    assert generate(checkpoint, TEXT, steps=9, edits=edits) == generate(checkpoint, TEXT, steps=9, edits=steered)


def test_silencing_works_while_text_is_written(checkpoint: Checkpoint) -> None:
    planted = orthonormal(checkpoint, "resid_post.0")
    two = [f"D0F{int(at)}" for at in values(checkpoint, planted).max(0).values.argsort(descending=True)[:2]]
    edits = ablate.changes(checkpoint, TEXT, two, dictionaries=opened(planted))
    text = generate(checkpoint, TEXT, steps=5, temperature=0, edits=edits)
    again = ablate.changes(checkpoint, text[:-1], two, dictionaries=opened(planted))
    last = run(checkpoint, text[:-1], again).logits[0, -1]
    assert LETTERS.symbols[int(last.argmax())] == text[-1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("D1F0", "1 dictionaries are open"),
        ("D0F32", "there is no such feature"),
        ("D0F3+101", "-100 to 100 times"),
        ("D0F3*2", "names no component"),
        ("D0", "names no component"),
    ],
)
def test_what_cannot_be_changed_is_said(checkpoint: Checkpoint, name: str, words: str) -> None:
    planted = orthonormal(checkpoint, "resid_post.0")
    assert planted.coder.shape.latents == 32
    with pytest.raises(NanoscopeError, match=words):
        ablate.changes(checkpoint, TEXT, [name], dictionaries=opened(planted))


def test_a_feature_that_is_never_active_cannot_be_raised(checkpoint: Checkpoint) -> None:
    known = opened(orthonormal(checkpoint, "resid_post.0"), largest=0.0)
    with pytest.raises(NanoscopeError, match="no size to raise it by"):
        ablate.changes(checkpoint, TEXT, ["D0F3+1"], dictionaries=known)


def test_only_a_models_own_dictionary_changes_it(checkpoint: Checkpoint) -> None:
    planted = orthonormal(checkpoint, "resid_post.0")
    require_own(planted, checkpoint)
    for identity, words in (({"checkpoint": "of another"}, "another checkpoint"), ({"twin": 1}, "untrained twin")):
        with pytest.raises(NanoscopeError, match=words):
            require_own(replace(planted, identity=identity), checkpoint)
    wide = replace(checkpoint, model=random_model(vocab_size=26, n_embd=64))
    with pytest.raises(NanoscopeError, match="does not fit this model"):
        require_own(planted, wide)


def test_names_are_read() -> None:
    assert FeatureChange.named("d2f17") == FeatureChange(2, 17, None)
    assert FeatureChange.named(" D0F3+1.5 ") == FeatureChange(0, 3, 1.5)
    assert FeatureChange.named("L0H4") is None
