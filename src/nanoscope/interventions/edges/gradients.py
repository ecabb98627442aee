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

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import EdgeRun, run_edges, run_from, writes_of
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
    return _averaged(model, (tokens, other_tokens), metric, [1.0])


def integrated_scores(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    other_tokens: Int[Tensor, "example pos"],
    metric: PerExample,
    steps: int = STEPS,
) -> Estimate:
    """EAP-IG-inputs: gradients at other + (k / steps) (base - other) of the embeddings, k = 0 to steps - 1."""
    _require_steps(steps)
    return _averaged(model, (tokens, other_tokens), metric, [k / steps for k in range(steps)])


def mask_scores(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    other_tokens: Int[Tensor, "example pos"],
    metric: PerExample,
    steps: int = STEPS,
) -> Estimate:
    """Integrated gradients over the mask, by the midpoint rule."""
    _require_steps(steps)
    base, other = _runs(model, (tokens, other_tokens))
    on = model.wte.weight.new_ones(len(tokens), 1, *graph_of(model.config).exists.shape)
    total = torch.zeros_like(on)
    for k in range(steps):
        mask = (on * (1 - (k + 0.5) / steps)).requires_grad_()
        with torch.enable_grad():
            value = metric(run_edges(model, tokens, mask, other.writes).logits).sum()
        total -= torch.autograd.grad(value, mask)[0] / steps
    return _estimate(total[:, 0].movedim(0, -1), metric(other.logits) - metric(base.logits))


def _averaged(model: GPT, texts: tuple[Tensor, Tensor], metric: PerExample, shares: list[float]) -> Estimate:
    """The products of each write's change with the mean gradient at each read, summed over positions; the gradients are taken
    at embeddings that are so far from the other run's to the base run's."""
    base, other = _runs(model, texts)
    ends = other.writes[0], base.writes[0]
    slope = torch.stack([read_gradients(model, torch.lerp(*ends, share), metric) for share in shares]).mean(0)
    exists = torch.from_numpy(graph_of(model.config).exists).to(slope)
    scores = torch.einsum("sbpd,rbpd->srb", other.writes - base.writes, slope) * exists[..., None]
    return _estimate(scores, metric(other.logits) - metric(base.logits))


def _runs(model: GPT, texts: tuple[Tensor, Tensor]) -> tuple[EdgeRun, EdgeRun]:
    with torch.no_grad():
        return writes_of(model, texts[0]), writes_of(model, texts[1])


def _require_steps(steps: int) -> None:
    if steps < 1:
        raise NanoscopeError(f"steps must be at least 1, not {steps}")


def read_gradients(
    model: GPT, embed: Float[Tensor, "example pos d_model"], metric: PerExample
) -> Float[Tensor, "read example pos d_model"]:
    """The gradient of the summed metric with respect to what each read sees, in a run from these embeddings."""
    reads = len(graph_of(model.config).reads)
    added = torch.zeros(reads, *embed.shape, dtype=embed.dtype, device=embed.device, requires_grad=True)
    with torch.enable_grad():
        value = metric(run_from(model, embed.detach(), added).logits).sum()
    return torch.autograd.grad(value, added)[0]


def _estimate(scores: Float[Tensor, "source read example"], whole: Float[Tensor, "example"]) -> Estimate:
    return Estimate(scores.detach(), (whole - scores.sum((0, 1))).detach())
