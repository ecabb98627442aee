"""The parts of a score: that they sum to it in every kind of model, and that taking a write away takes its part away."""

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.circuits.score_parts import score_parts
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import writes_of
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import run
from nanoscope.model import arithmetic
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.tasks import synthetic

SUMS = [name for name in VARIANTS if GPTConfig(**VARIANTS[name]).norm_position == "pre"]


def _model(name: str) -> GPT:
    """With biases that matter, where the kind of model has any."""
    model = random_model(**VARIANTS[name])
    for label, parameter in model.named_parameters():
        if label.endswith("bias"):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.mark.parametrize("name", SUMS)
def test_the_parts_sum_to_the_score_and_to_how_far_it_is_above_the_mean(name: str) -> None:
    model = _model(name)
    tokens = random_tokens(model, 1, 9)
    cache = run(model, tokens, keep=["scores"]).cache
    for layer, head, query, key in ((0, 1, 7, 3), (2, 0, 8, 8), (2, 1, 5, 0)):
        scores = cache["scores", layer][0, head, query, : query + 1].numpy()
        found = score_parts(model, tokens[0], layer, head, query, key)
        limit = 1e-5 * np.abs(found.parts).max()
        assert abs(found.score - scores[key]) < limit
        assert abs(found.relative.score - (scores[key] - scores.mean())) < limit
    lower = [name for name in graph_of(model.config).sources if not name.startswith(("L2", "MLP2"))]
    assert found.names == (*lower, "bias")


@pytest.mark.parametrize("name", ["gpt2", "attention_only", "bare", "llama", "wide_heads", "pythia"])
@pytest.mark.parametrize("which", ["q", "k"])
def test_without_a_write_the_score_lacks_its_parts(name: str, which: str) -> None:
    """The norm is told again by hand, with its scale held; the score is a run's, with the new query or key."""
    model = _model(name)
    graph, tokens, (query, key) = graph_of(model.config), random_tokens(model, 1, 9), (8, 5)
    at, norm = query if which == "q" else key, model.blocks[2].ln_1
    before = run(model, tokens, keep=["resid_pre", "scores"]).cache
    stream, site = before["resid_pre", 2][0, at], Site(which, 2, head=1, pos=at)
    found = score_parts(model, tokens[0], 2, 1, query, key)
    for source in ("embed", "L0H1", "L1H0"):
        left = stream - writes_of(model, tokens).writes[graph.sources.index(source), 0, at]
        if norm.kind == "layer":
            left = (left - left.mean()) / (stream.var(correction=0) + norm.eps).sqrt()
        if norm.kind == "rms":
            left = left / (stream.square().mean() + norm.eps).sqrt()
        left = left if norm.weight is None else left * norm.weight
        left = left if norm.bias is None else left + norm.bias
        new = arithmetic.qkv_of_head(left[None], model.blocks[2].attn, torch.tensor([at]), "qk".index(which), 1)
        after = run(model, tokens, [Edit(site, new)], keep=["scores"]).cache
        change = float((before["scores", 2] - after["scores", 2])[0, 1, query, key])
        part = found.parts[found.names.index(source)] if which == "q" else found.parts[:, found.names.index(source)]
        assert abs(part.sum() - change) < 1e-5 * np.abs(found.parts).max()
        assert abs(change) > 1e-4 * np.abs(found.parts).max()


def test_biases_of_lower_attention_belong_to_the_bias() -> None:
    model = random_model(**VARIANTS["attention_only"])
    tokens = random_tokens(model, 1, 9)[0]
    for block in model.blocks:
        block.attn.c_attn.bias.zero_()
        block.ln_1.bias.zero_()
        block.attn.c_proj.bias.zero_()
    bare = score_parts(model, tokens, 1, 0, 6, 2)
    assert not bare.parts[-1].any()
    assert not bare.parts[:, -1].any()
    model.blocks[0].attn.c_proj.bias.add_(torch.randn(16))
    assert np.abs(score_parts(model, tokens, 1, 0, 6, 2).parts[-1]).min() > 0


def test_the_planted_induction_head_looks_where_the_previous_token_head_points(planted: Checkpoint) -> None:
    """The whole score at the target is one pair, the token at the query and what L0H0 has written at the key: 60, but for the
    norms' eps, which makes the write and the scale a little smaller."""
    text = synthetic.copy_task(torch.arange(10, 40), 8, 1, "scores", start=planted.known_vocabulary.start).clean[0]
    query, width, eps = len(text) - 3, planted.model.config.n_embd, 1e-5
    written = (4 / width / (4 / width + eps)) ** 0.5
    scale = (6 / width) / ((4 + 2 * written**2) / width + eps)
    target, start = 60 * written * scale, 30 * scale
    found = score_parts(planted.model, text, 1, 0, query, query - 7)
    assert found.largest(1)[0][:2] == ("embed", "L0H0")
    assert found.of("embed", "L0H0") == pytest.approx(target, rel=1e-5)
    assert found.score == pytest.approx(target, rel=1e-5)
    at_rest = score_parts(planted.model, text, 1, 0, query, 0)
    assert at_rest.of("embed", "embed") == pytest.approx(start, rel=1e-5), "the start symbol is a key by itself"
    assert found.relative.of("embed", "L0H0") == pytest.approx(target - target / (query + 1), rel=1e-5)
    assert found.relative.score == pytest.approx(target - (target + start) / (query + 1), rel=1e-5)


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ((0, 2, 3, 1), "the model has no head L0H2; it has 3 layers of 2 heads, both counted from 0"),
        ((1, 0, 3, 4), "query 3 cannot see key 4 in a text of 9 tokens"),
        ((1, 0, 9, 4), "query 9 cannot see key 4 in a text of 9 tokens"),
        ((1, 0, 3, -1), "query 3 cannot see key -1 in a text of 9 tokens"),
    ],
)
def test_there_is_no_score_of_what_is_not_there(at: tuple[int, int, int, int], says: str) -> None:
    model = random_model()
    with pytest.raises(NanoscopeError, match=says):
        score_parts(model, random_tokens(model, 1, 9)[0], *at)
