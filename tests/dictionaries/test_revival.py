"""Dead latents: how many are revived at a time, and how many live after a short training on a real MLP."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from nanoscope.checkpoints.checkpoint import load
from nanoscope.dictionaries import objective
from nanoscope.dictionaries.coder import Shape, starting
from nanoscope.dictionaries.fit import fit
from nanoscope.dictionaries.metrics import fidelity
from nanoscope.dictionaries.objective import Recipe, revival
from nanoscope.dictionaries.source import Source, TextStream
from nanoscope.text.corpora import Corpus
from nanoscope.text.windows import windows

SHIPPED = Path(__file__).parents[2] / "trained_models" / "shakespeare_char_model"


@pytest.mark.parametrize(("dead", "revived"), [(2, 2), (5, 5), (30, 5), (80, 10), (240, 30), (600, 30)])
def test_half_the_width_is_revived_at_a_time_but_an_eighth_of_the_dead_and_no_fewer_than_k(
    dead: int, revived: int
) -> None:
    """Counted where it acts: in the latents that one token gives a gradient."""
    coder = starting(Shape("topk", 60, 60, 640, 5), tied=True, seed=1)
    x = F.normalize(torch.randn(1, 60, generator=torch.Generator().manual_seed(0)), dim=1)
    revival(coder, x, x, torch.arange(dead)).backward()
    assert coder.b_enc.grad is not None
    assert int((coder.b_enc.grad != 0).sum()) == revived
    assert not coder.b_enc.grad[dead:].any()


def test_a_short_training_has_time_to_revive() -> None:
    assert Recipe().patience == Recipe.dead_after == 250_000
    assert Recipe(tokens=120_000).patience == 12_000
    assert Recipe(tokens=5).patience == 1


@pytest.mark.slow
def test_of_a_real_mlp_more_latents_live_than_with_k_revived_at_a_time(
    shakespeare: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untied start leaves half of these latents out of reach, since the first MLP's inputs fill few directions."""
    checkpoint, source = load(SHIPPED), Source.named("mlp.0")
    text = checkpoint.encode(shakespeare.train)
    read = source.read(checkpoint.model, windows(checkpoint.encode(shakespeare.val), 128, 8192).tokens)
    alive = {}
    for crowd in (objective.CROWD, 10**9):
        monkeypatch.setattr(objective, "CROWD", crowd)
        recipe = Recipe(tokens=120_000)
        stream = TextStream.of(checkpoint.model, text, source, recipe.batch, 1)
        alive[crowd] = fidelity(fit(stream, recipe, tmp_path / str(crowd), tied=False), [read]).alive
    few, many = alive[10**9], alive[min(alive)]
    assert few < many


def test_a_dictionary_of_the_shipped_models_stream_lives(shakespeare: Corpus, tmp_path: Path) -> None:
    """The promise: at least 95 % of the latents are active on held-out text."""
    checkpoint, source = load(SHIPPED), Source.named("resid_post.0")
    recipe = replace(Recipe(), latents=512, tokens=60_000, batch=512)
    stream = TextStream.of(checkpoint.model, checkpoint.encode(shakespeare.train), source, recipe.batch, 1)
    read = source.read(checkpoint.model, windows(checkpoint.encode(shakespeare.val), 128, 16_384).tokens)
    assert fidelity(fit(stream, recipe, tmp_path), [read]).alive >= 0.95
