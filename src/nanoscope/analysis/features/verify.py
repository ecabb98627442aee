"""A graph against the model itself: edges, and whole effects on the prediction, each by an intervention.

- *edges*: the source feature is taken out of its MLP's output; patterns and the MLPs above are held. The change at the target
  is the edge, but for the norms' scales, which are free in the model.
- *effects*: the feature is taken out and nothing is held. The graph predicts the sum over all its paths. Why they differ is
  read from steps between: what the graph holds is set free one after the other.

A contribution is a share of what is there. Without it, the norms raise what is left to the old length: so a feature that makes
up much of the stream contributes more than the model loses without it, whatever the dose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.analysis.features.graph import FEATURE, LOGIT, AttributionGraph
from nanoscope.analysis.features.local_model import replayed, steepest
from nanoscope.interventions.edits import Edit, add, patch
from nanoscope.interventions.run import run
from nanoscope.model import arithmetic
from nanoscope.model.sites import Site, mlp_reads

NEAR = 0.2
"""A measured effect agrees if it is within a fifth of the predicted one."""


@dataclass(frozen=True)
class Verified:
    """Contributions that a graph claims, and what the model lost when their source was taken out."""

    predicted: Float[Tensor, "case"]
    measured: Float[Tensor, "case"]
    source: Int[Tensor, "case"]
    target: Int[Tensor, "case"]


@dataclass(frozen=True)
class Agreement:
    """How far interventions agree with a graph, over a sample."""

    cases: int
    same_sign: float
    share: float
    """Of cases within a fifth of the prediction."""
    correlation: float


def agreement(found: Verified) -> Agreement:
    """The agreement over all cases; NaN without any."""
    predicted, measured = (x.double().numpy() for x in (found.predicted, found.measured))
    if len(predicted) < 2:
        return Agreement(len(predicted), np.nan, np.nan, np.nan)
    near = within(predicted, measured)
    signs = np.sign(measured) == np.sign(predicted)
    r = np.corrcoef(predicted, measured)[0, 1] if predicted.std() * measured.std() > 0 else np.nan
    return Agreement(len(predicted), float(signs.mean()), float(near.mean()), float(r))


def within(predicted: Float[np.ndarray, "case"], measured: Float[np.ndarray, "case"]) -> Bool[np.ndarray, "case"]:
    """Whether what was measured is within a fifth of what was predicted."""
    return np.abs(measured - predicted) <= NEAR * np.abs(predicted)


def verified(graph: AttributionGraph, count: int) -> Verified:
    """The strongest `count` edges from features, as shares of their targets' inputs, each by an intervention."""
    sources = graph.nodes.of(FEATURE).nonzero().flatten()
    size = graph.A.abs()
    relative = (size / size.sum(1, keepdim=True).clamp(min=1e-10))[:, sources]
    best = relative.flatten().argsort(descending=True)[:count]
    target, source = best // len(sources), sources[best % len(sources)]
    predicted = graph.A[target, source]
    lost = {one: _lost(graph, one) for one in set(source.tolist())}
    measured = predicted.new_tensor([lost[one][at] for one, at in zip(source.tolist(), target.tolist(), strict=True)])
    return Verified(predicted, measured, source, target)


def _lost(graph: AttributionGraph, source: int) -> Float[Tensor, "node"]:
    """What every feature and logit loses without a feature, with patterns and the MLPs above it held."""
    local, layer = graph.local, int(graph.nodes.layer[source])
    layers = range(local.model.config.n_layer)
    held = [patch(Site("pattern", n), local.cache) for n in layers]
    held += [patch(Site("mlp_out", n), local.cache) for n in layers if n > layer]
    reads = mlp_reads(local.model.config)
    logits, cache = run(local.model, local.tokens[None], [_taken(graph, source), *held], keep=[reads])
    found = torch.zeros(len(graph.nodes))
    for n in layers:
        here, norm, coder = local.features.in_layer(n), local.model.blocks[n].ln_2, local.coders[n]
        assert norm is not None
        x = arithmetic.norm_before(cache[reads, n][0, local.features.pos[here]], norm)
        latent = local.features.latent[here]
        found[here] = local.features.value[here] - (x * coder.W_enc[latent]).sum(1) - coder.b_enc[latent]
    of = graph.nodes.of(LOGIT)
    change = local.logits[-1] - logits[0, -1]
    found[of] = (change - change.mean())[graph.nodes.index[of]]
    return found


def _taken(graph: AttributionGraph, source: int, dose: float = 1.0) -> Edit:
    """The edit that takes a feature, or a part of it, out of what its MLP writes."""
    at = Site("mlp_out", int(graph.nodes.layer[source]), pos=int(graph.nodes.pos[source]))
    return add(at, dose * _vector(graph, source))


def _vector(graph: AttributionGraph, source: int) -> Float[Tensor, "d_model"]:
    """What an MLP's output changes by without a feature."""
    nodes = graph.nodes
    return -nodes.value[source] * graph.local.coders[int(nodes.layer[source])].W_dec[nodes.index[source]]


STEPS = ("norms free", "MLPs free", "nothing held", "a tenth of it")
"""What is set free: norms alone, in the replacement model; then the model's own MLPs, with patterns held; then patterns too;
and that for a tenth of the feature, times ten."""
DOSE = 0.1


def predicted_effects(graph: AttributionGraph, count: int) -> dict[str, Verified]:
    """The features with the largest whole effect on the weighted logits: as the graph predicts it, and at each step."""
    effects = whole_effects(graph)
    sources = effects.abs().argsort(descending=True)[:count]
    of, predicted = torch.full_like(sources, -1), effects[sources]
    rows = [_effects(graph, one) for one in sources.tolist()]
    measured = torch.tensor(rows).reshape(-1, len(STEPS)).T
    return {step: Verified(predicted, found, sources, of) for step, found in zip(STEPS, measured, strict=True)}


def _effects(graph: AttributionGraph, source: int) -> tuple[float, ...]:
    """What the weighted logits lose without a feature, at each of the steps."""
    local, plain = graph.local, graph.local.logits[-1]
    added = torch.zeros(2, local.model.config.n_layer, *local.embedding.shape)
    vector = _vector(graph, source)
    added[1, int(graph.nodes.layer[source]), int(graph.nodes.pos[source])] = vector
    held = [patch(Site("pattern", n), local.cache) for n in range(local.model.config.n_layer)]

    def lost(dose: float, *edits: Edit) -> Tensor:
        return plain - run(local.model, local.tokens[None], [_taken(graph, source, dose), *edits]).logits[0, -1]

    changes = (plain - replayed(local, added, norms_held=False), lost(1, *held), lost(1), lost(DOSE) / DOSE)
    return tuple(float(change @ graph.direction) for change in changes)


def whole_effects(graph: AttributionGraph) -> Float[Tensor, "feature"]:
    """What each feature contributes to the weighted logits over all paths of the replacement model."""
    local = graph.local
    slope = steepest(local, graph.direction)[1]
    return torch.cat(
        [
            (local.decoders(n) * slope[n, local.features.pos[local.features.in_layer(n)]]).sum(1)
            for n in range(local.model.config.n_layer)
        ]
    )
