"""Attribution graphs: identities that hold for any model and any transcoders, and what interventions find."""

from dataclasses import replace

import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.features.graph import (
    ERROR,
    FEATURE,
    HEAD,
    LOGIT,
    TOKEN,
    AttributionGraph,
    through_attention,
)
from nanoscope.analysis.features.head_graph import with_heads
from nanoscope.analysis.features.local_model import Local, local_model, replayed, steepest
from nanoscope.analysis.features.roles import AGAINST, DIRECT, FOR, LOOKS, READS, roles
from nanoscope.analysis.features.verify import agreement, predicted_effects, verified
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.coder import Coder, Shape, starting
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.text.windows import started

LINEAR = [
    name
    for name, changes in VARIANTS.items()
    if not changes.get("attention_only") and changes.get("norm_position") != "post"
]


def transcoders(model: GPT, latents: int = 30, k: int = 4) -> dict[int, Coder]:
    """Transcoders that explain nothing well, with every kind of bias."""
    width = model.config.n_embd
    found = {}
    for layer in range(model.config.n_layer):
        coder = starting(Shape("topk", width, width, latents, k), tied=False, seed=layer).requires_grad_(False)
        coder.b_enc.add_(0.1 * torch.randn(latents, generator=torch.Generator().manual_seed(layer)))
        coder.b_dec.add_(torch.randn(width, generator=torch.Generator().manual_seed(100 + layer)))
        found[layer] = coder
    return found


def local(model: GPT) -> Local:
    return local_model(model, transcoders(model), random_tokens(model, 1, 9)[0])


def values(graph: AttributionGraph) -> torch.Tensor:
    return graph.A.sum(1) + graph.constant


@pytest.mark.parametrize("name", LINEAR)
def test_with_errors_the_logits_are_reproduced_exactly(name: str) -> None:
    found = local(random_model(**VARIANTS[name]))
    again = replayed(found, torch.zeros(2, found.model.config.n_layer, *found.embedding.shape))
    torch.testing.assert_close(again, found.logits[-1], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("build", [through_attention, with_heads])
@pytest.mark.parametrize("name", LINEAR)
def test_contributions_and_constants_sum_to_every_target(name: str, build) -> None:
    """To the values of features and the logits beyond their mean; with heads also to what each head writes along g."""
    graph = build(local(random_model(**VARIANTS[name])))
    targets = graph.nodes.of(FEATURE, HEAD, LOGIT)
    assert targets.sum() > 60
    torch.testing.assert_close(values(graph)[targets], graph.nodes.value[targets], atol=2e-3, rtol=1e-3)
    assert not graph.A[graph.nodes.of(ERROR, TOKEN)].any()
    assert not graph.A[:, graph.nodes.of(LOGIT)].any()


def test_an_edge_is_what_removing_its_source_takes_from_its_target() -> None:
    """In the replacement model itself, with the other features held: exact, feature by feature, by a slow twin."""
    found = local(random_model(bias=True))
    graph = through_attention(found)
    sources = (graph.nodes.of(FEATURE) & (graph.nodes.layer == 0)).nonzero().flatten()[:5]
    for source in sources.tolist():
        layer, pos, latent = (int(x[source]) for x in (graph.nodes.layer, graph.nodes.pos, graph.nodes.index))
        added = torch.zeros(2, 3, *found.embedding.shape)
        added[1, layer, pos] = -graph.nodes.value[source] * found.coders[layer].W_dec[latent]
        held = silent_features(found)
        change = replayed(held, added) - replayed(held, torch.zeros_like(added))
        logits = graph.nodes.of(LOGIT)
        expected = -graph.A[logits, source]
        torch.testing.assert_close((change - change.mean())[graph.nodes.index[logits]], expected, atol=1e-3, rtol=1e-3)


def silent_features(found: Local) -> Local:
    """The same text with features that answer to nothing: what they wrote is part of the errors."""
    none = replace(found.features, **{n: getattr(found.features, n)[:0] for n in ("layer", "pos", "latent", "value")})
    errors = found.errors.clone()
    for layer in range(found.model.config.n_layer):
        here = found.features.in_layer(layer)
        errors[layer].index_add_(0, found.features.pos[here], found.decoders(layer))
    return replace(found, features=none, errors=errors)


def test_the_gradient_predicts_a_small_change_of_what_a_head_writes() -> None:
    found = local(random_model())
    weights = torch.zeros(13)
    weights[3] = 1
    g = steepest(found, weights)
    added = torch.zeros(2, 3, *found.embedding.shape)
    added[0, 1, 4] = torch.randn(16, generator=torch.Generator().manual_seed(0))
    change = replayed(found, added)[3] - replayed(found, torch.zeros_like(added))[3]
    assert float(change) == pytest.approx(float((g * added).sum()), rel=1e-3)


def test_edges_agree_with_interventions_where_norms_do_not_change() -> None:
    """Without norms the frozen scales are the model's own, so the model itself does what every edge says."""
    graph = through_attention(local(random_model(**VARIANTS["bare"])))
    found = verified(graph, 20)
    assert len(found.predicted) == 20
    assert agreement(found).share == 1
    torch.testing.assert_close(found.measured, found.predicted, atol=1e-3, rtol=1e-3)
    wrong = through_attention(local(random_model(**VARIANTS["bare"])))
    wrong.A.copy_(wrong.A.flip(1))
    assert agreement(verified(wrong, 20)).share < 0.5


def test_a_graph_without_active_features_has_no_edges_to_verify() -> None:
    model = random_model()
    silent = {layer: starting(Shape("relu", 16, 16, 8, 8), tied=False, seed=layer) for layer in transcoders(model)}
    for coder in silent.values():
        coder.requires_grad_(False).b_enc.fill_(-100)
    found = verified(through_attention(local_model(model, silent, random_tokens(model, 1, 9)[0])), 20)
    assert len(found.measured) == len(found.predicted) == 0
    assert agreement(found).cases == 0


def test_with_norms_edges_are_near_what_interventions_find() -> None:
    graph = through_attention(local(random_model(n_embd=64)))
    found = agreement(verified(graph, 30))
    assert found.same_sign > 0.8
    assert found.correlation > 0.8
    for whole in predicted_effects(graph, 10).values():
        assert whole.predicted.shape == whole.measured.shape == (10,)


def test_whole_effects_differ_only_by_what_is_set_free() -> None:
    """Without norms nothing is set free at the first step; of an MLP that is its transcoder, nothing at the second."""
    bare = predicted_effects(through_attention(local(random_model(**VARIANTS["bare"]))), 10)
    torch.testing.assert_close(bare["norms free"].measured, bare["norms free"].predicted, atol=1e-3, rtol=1e-3)
    normal = predicted_effects(through_attention(local(random_model())), 10)
    assert not torch.allclose(normal["norms free"].measured, normal["norms free"].predicted, rtol=0.01)
    small = {step: found.measured for step, found in normal.items()}
    assert not torch.allclose(small["MLPs free"], small["nothing held"], rtol=1e-3)


@pytest.mark.parametrize("name", LINEAR)
def test_with_norms_free_the_logits_are_reproduced_too(name: str) -> None:
    found = local(random_model(**VARIANTS[name]))
    nothing = torch.zeros(2, found.model.config.n_layer, *found.embedding.shape)
    torch.testing.assert_close(replayed(found, nothing, norms_held=False), found.logits[-1], atol=1e-3, rtol=1e-4)


def test_above_the_last_mlp_the_model_itself_does_what_free_norms_do() -> None:
    """There is only the final norm between the last MLP and the logits, so every step measures the same."""
    graph = through_attention(local(random_model(n_layer=1)))
    found = predicted_effects(graph, 10)
    for step in ("MLPs free", "nothing held"):
        torch.testing.assert_close(found[step].measured, found["norms free"].measured, atol=1e-4, rtol=1e-3)


def test_models_without_a_graph_are_one_line() -> None:
    model = random_model()
    tokens = random_tokens(model, 1, 5)[0]
    three = transcoders(model)
    with pytest.raises(NanoscopeError, match=r"missing: mlp.1"):
        local_model(model, {0: three[0], 2: three[2]}, tokens)
    with pytest.raises(NanoscopeError, match="another width"):
        local_model(model, three | {1: Coder(Shape("topk", 8, 8, 4, 2))}, tokens)
    with pytest.raises(NanoscopeError, match="skip connection"):
        local_model(model, three | {1: Coder(Shape("topk", 16, 16, 4, 2, skip=True))}, tokens)
    with pytest.raises(NanoscopeError, match="attention-only"):
        local_model(random_model(attention_only=True), {}, tokens)
    with pytest.raises(NanoscopeError, match="come after additions"):
        local_model(random_model(norm_position="post"), three, tokens)


def test_heads_are_grouped_by_where_they_look(small_planted: Checkpoint) -> None:
    """In the planted model head L0H0 looks one back, and L1H0, in a second copy, to what followed the first."""
    block = torch.randperm(26, generator=torch.Generator().manual_seed(0))[:8]
    tokens = started(torch.cat([block, block]), small_planted.known_vocabulary.start)
    graph = with_heads(local_model(small_planted.model, transcoders(small_planted.model), tokens))
    of = roles(graph)

    def role(layer: int, pos: int) -> str:
        nodes = graph.nodes
        (node,) = (nodes.of(HEAD) & (nodes.layer == layer) & (nodes.index == 0) & (nodes.pos == pos)).nonzero()
        return of[int(node)]

    last = len(tokens) - 1
    assert {role(0, pos) for pos in range(3, last)} == {LOOKS[1]}
    assert {role(1, pos) for pos in range(last - 5, last)} == {LOOKS[2]}
    assert {of[int(node)] for node in graph.nodes.of(TOKEN).nonzero()} == {"tokens"}
    assert {of[int(node)] for node in graph.nodes.of(ERROR).nonzero()} == {"errors"}


def test_a_feature_that_moves_the_top_logit_writes_for_or_against_it() -> None:
    found = local(random_model(n_embd=64))
    graph = with_heads(found)
    of, top = roles(graph), int(graph.weights.argmax())
    direct = graph.A[top].abs() / graph.A[top].abs().sum()
    for node in graph.nodes.of(FEATURE).nonzero().flatten().tolist():
        if float(direct[node]) >= DIRECT:
            assert of[node] == (FOR if graph.A[top, node] > 0 else AGAINST)
        else:
            assert of[node] in READS.values()
