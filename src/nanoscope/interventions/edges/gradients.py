"""First-order scores of all edges at once, from a few forward and backward passes of the factored forward.

An edge's score is the estimated change of a metric when the edge is taken from another run:

    gradient (EAP; Syed et al. 2023)
        the sum over positions of (other_u - own_u) . d metric / d read_r, at the base run
    integrated (EAP-IG-inputs; Hanna et al. 2024)
        the same with the mean gradient over runs whose embeddings go from the other run's, included, to the base run's, left
        out, in `steps` equal steps
    over the mask (integrated gradients; Sundararajan et al. 2017)
        minus the derivative with respect to the edge's mask, averaged over masks that go from all on to all off together, at
        the middle of each step

The scores over the mask sum to the whole change of the metric as the steps grow; `completeness` is what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import Writes, run_edges, run_from, writes_of
from nanoscope.model.gpt import GPT

Logits = Float[Tensor, "example pos vocab"]
PerExample = Callable[[Logits], Float[Tensor, "example"]]
STEPS = 5
"""As in the published code of EAP-IG and in the MIB benchmark."""


@dataclass(frozen=True)
class Estimate:
    """The score of every pair of source and read, `[source, read, example]` (0 where there is no edge), and by how much their
    sum misses the change of the metric from this run to the other, `[example]`."""

    scores: Float[Tensor, "source read example"]
    completeness: Float[Tensor, "example"]


def gradient_scores(
    model: GPT, tokens: Int[Tensor, "example pos"], other_tokens: Int[Tensor, "example pos"], metric: PerExample
) -> Estimate:
    """Edge attribution patching (EAP): one forward and one backward pass of the base run."""
    base, other = writes_of(model, tokens), writes_of(model, other_tokens)
    slope = read_gradients(model, base.writes[0], metric)
    return _estimate(
        model, _products(model, other.writes - base.writes, slope), metric(other.logits) - metric(base.logits)
    )


def integrated_scores(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    other_tokens: Int[Tensor, "example pos"],
    metric: PerExample,
    steps: int = STEPS,
) -> Estimate:
    """EAP-IG-inputs: gradients at other + (k / steps) (base - other) of the embeddings, k = 0 to steps - 1."""
    base, other = writes_of(model, tokens), writes_of(model, other_tokens)
    ends = other.writes[0], base.writes[0]
    slopes = [read_gradients(model, torch.lerp(*ends, k / steps), metric) for k in range(steps)]
    scores = _products(model, other.writes - base.writes, torch.stack(slopes).mean(0))
    return _estimate(model, scores, metric(other.logits) - metric(base.logits))


def mask_scores(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    other_tokens: Int[Tensor, "example pos"],
    metric: PerExample,
    steps: int = STEPS,
) -> Estimate:
    """Integrated gradients over the mask, by the midpoint rule."""
    base, other = writes_of(model, tokens), writes_of(model, other_tokens)
    on = model.wte.weight.new_ones(len(tokens), 1, *graph_of(model.config).exists.shape)
    total = torch.zeros_like(on)
    for k in range(steps):
        mask = (on * (1 - (k + 0.5) / steps)).requires_grad_()
        with torch.enable_grad():
            value = metric(run_edges(model, tokens, mask, other.writes).logits).sum()
        total -= torch.autograd.grad(value, mask)[0] / steps
    return _estimate(model, total[:, 0].movedim(0, -1), metric(other.logits) - metric(base.logits))


def read_gradients(
    model: GPT, embed: Float[Tensor, "example pos d_model"], metric: PerExample
) -> Float[Tensor, "read example pos d_model"]:
    """The gradient of the summed metric with respect to what each read sees, in a run from these embeddings."""
    reads = len(graph_of(model.config).reads)
    added = torch.zeros(reads, *embed.shape, dtype=embed.dtype, device=embed.device, requires_grad=True)
    with torch.enable_grad():
        value = metric(run_from(model, embed.detach(), added).logits).sum()
    return torch.autograd.grad(value, added)[0]


def _products(model: GPT, change: Writes, slope: Float[Tensor, "read example pos d_model"]) -> Tensor:
    """The product of each write's change with the gradient at each read, summed over positions: `[source, read, example]`."""
    exists = torch.from_numpy(graph_of(model.config).exists).to(slope)
    return torch.einsum("sbpd,rbpd->srb", change, slope) * exists[..., None]


def _estimate(model: GPT, scores: Float[Tensor, "source read example"], whole: Float[Tensor, "example"]) -> Estimate:
    return Estimate(scores.detach(), (whole - scores.sum((0, 1))).detach())
