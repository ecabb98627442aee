"""How good a dictionary is, in raw units: what it explains, how few latents it takes, and what the model loses by it.

    FVU = sum |y - y'|^2 / sum |y - mean y|^2          the mean over the tokens that are measured; 0 is perfect, 1 the mean's
    recovered = (L_ablated - L_replaced) / (L_ablated - L_model)        L in nats; ablated: set to zero, or to its mean

The share recovered beside zero ablation flatters every dictionary, since zero is far from anything the model has seen: the
change of the loss in nats comes first. Method: docs/methods/features.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from nanoscope.dictionaries.source import Pairs, Source
from nanoscope.interventions.edits import Edit, zero
from nanoscope.interventions.run import EditingTap, run
from nanoscope.model.gpt import GPT

DECADES = tuple(range(-6, 1))


@runtime_checkable
class Reconstructs(Protocol):
    """A coder or a control: from inputs to latents, and from both to a reconstruction of the target."""

    def encode(self, x: Tensor, /) -> Tensor: ...
    def rebuilt(self, x: Tensor, f: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class Moments:
    """Sums over tokens, from which a share of variance follows: exact, whatever the order and the size of the parts."""

    count: int
    total: Float[Tensor, "d"]
    square: float
    error: float

    @staticmethod
    def of(y: Float[Tensor, "token d"], rebuilt: Float[Tensor, "token d"]) -> Moments:
        y = y.double()
        return Moments(len(y), y.sum(0), float(y.square().sum()), float((y - rebuilt).square().sum()))

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.count + other.count, self.total + other.total, self.square + other.square, self.error + other.error
        )

    @property
    def mean(self) -> Float[Tensor, "d"]:
        return self.total / self.count

    @property
    def fvu(self) -> float:
        """The fraction of variance unexplained; NaN where the target never varies."""
        variance = self.square - float(self.total.square().sum()) / self.count
        return self.error / variance if variance > 1e-12 * self.square else math.nan


@dataclass(frozen=True)
class Fidelity:
    """What a dictionary explains of its target on some tokens."""

    tokens: int
    fvu: float
    fvu_first: float
    """At position 0, about the mean there: without context a model may write something else (NaN: always the same)."""
    fvu_later: float
    l0: float
    """Mean number of latents that are not 0."""
    cosine: float
    """Mean cosine of target and reconstruction."""
    alive: float
    """Share of the latents that are active on at least one of the tokens."""
    density: Float[np.ndarray, "latent"] = field(repr=False)
    """By latent: share of the tokens on which it is active."""
    mean: Float[Tensor, "d"] = field(repr=False)
    """The target's mean."""


def fidelity(coder: Reconstructs, parts: Iterable[Pairs]) -> Fidelity:
    """Measure a coder on inputs and targets `[batch pos d]`, given in parts."""
    sums: list[Moments] = []
    active, cosine = torch.zeros(()), 0.0
    for x, y in parts:
        f = coder.encode(x)
        rebuilt = coder.rebuilt(x, f)
        active = active + (f != 0).sum((0, 1))
        cosine += float(F.cosine_similarity(y, rebuilt, dim=-1).sum())
        now = [Moments.of(*(one[:, at].flatten(0, 1) for one in (y, rebuilt))) for at in (slice(1), slice(1, None))]
        sums = [before + more for before, more in zip(sums, now, strict=True)] if sums else now
    first, later = sums
    whole = first + later
    density = (active / whole.count).numpy()
    alive, l0 = float((density > 0).mean()), float(active.sum() / whole.count)
    shares = (whole.fvu, first.fvu, later.fvu)
    return Fidelity(whole.count, *shares, l0, cosine / whole.count, alive, density, whole.mean)


@dataclass(frozen=True)
class Losses:
    """Mean loss in nats per token: of the model, and with the activation replaced by its reconstruction, by 0, by its mean."""

    model: float
    replaced: float
    zero: float
    mean: float
    kl: float
    """Mean divergence of the predictions with the reconstruction from the model's own, in nats."""

    @property
    def change(self) -> float:
        """What the reconstruction costs, in nats per token."""
        return self.replaced - self.model

    def recovered(self, ablated: float) -> float:
        """The share of an ablation's damage that the reconstruction does not do; NaN where it does none."""
        return (ablated - self.replaced) / (ablated - self.model) if ablated != self.model else math.nan


def losses(
    model: GPT,
    parts: Iterable[Int[Tensor, "_ pos"]],
    coders: Mapping[str, tuple[Source, Reconstructs]],
    mean: Float[Tensor, "d"],
) -> dict[str, Losses]:
    """Losses of several coders of one site on windows, given in parts, whose last token is only a target.

    `mean` is the site's mean, over a text and all positions. Only the layers from the site's on are computed for each change.
    """
    source = next(iter(coders.values()))[0]
    site, layer = source.site, source.layer
    average = Edit(site, Source(site).shaped(mean.float(), model))
    totals, count = torch.zeros(len(coders), 5, dtype=torch.double), 0
    for windows in parts:
        inputs, targets = windows[:, :-1], windows[:, 1:]
        keep = {("resid_pre", layer), *(key for source, _ in coders.values() for key in source.keep(model))}
        logits, cache = run(model, inputs, keep=keep)
        before = cache["resid_pre", layer]
        others = (_resumed(model, layer, before, edit) for edit in (zero(site), average))
        plain, zeroed, averaged = (_loss(one, targets) for one in (logits, *others))
        for row, (source, coder) in enumerate(coders.values()):
            x, _ = source.pairs(model, cache)
            rebuilt = source.shaped(coder.rebuilt(x, coder.encode(x)), model)
            replaced = _resumed(model, layer, before, Edit(site, rebuilt))
            found = (plain, _loss(replaced, targets), zeroed, averaged, _divergence(logits, replaced))
            totals[row] += torch.tensor(found)
        count += targets.numel()
    return {name: Losses(*(row / count).tolist()) for name, row in zip(coders, totals, strict=True)}


def _resumed(model: GPT, layer: int, resid: Float[Tensor, "batch pos d_model"], edit: Edit) -> Tensor:
    """The logits of a run that goes on at a layer, with an edit."""
    tap = EditingTap([edit])
    with torch.no_grad():
        for at, block in enumerate(model.blocks[layer:], layer):
            resid = model.block(resid, at, block, tap)
        return model.unembed(resid, tap)


def _loss(logits: Float[Tensor, "batch pos vocab"], targets: Int[Tensor, "batch pos"]) -> float:
    return float(F.cross_entropy(logits.flatten(0, 1), targets.flatten().to(logits.device), reduction="sum"))


def _divergence(logits: Float[Tensor, "batch pos vocab"], others: Float[Tensor, "batch pos vocab"]) -> float:
    """KL(p || q) in nats, summed over tokens."""
    log_p, log_q = logits.log_softmax(-1), others.log_softmax(-1)
    return float((log_p.exp() * (log_p - log_q)).sum())


def max_cosines(directions: Float[Tensor, "latent d"], others: Float[Tensor, "other d"]) -> Float[Tensor, "latent"]:
    """For each direction the largest cosine with one of the others."""
    unit, of = F.normalize(directions, dim=1), F.normalize(others, dim=1).T
    return torch.cat([(part @ of).amax(1) for part in unit.split(1024)])


def mean_max_cosine(directions: Float[Tensor, "latent d"], others: Float[Tensor, "other d"]) -> float:
    """Mean over directions of the largest cosine with one of the others: 1 if each is found again (Sharkey et al. 2022).

    It is not symmetric; of random directions it is far above 0, so another seed of an untrained twin belongs beside it.
    """
    return float(max_cosines(directions, others).mean())


def density_histogram(density: Float[np.ndarray, "latent"]) -> dict[str, int]:
    """How many latents are active on so large a share of the tokens, by decades; `never` are those active on none."""
    powers = np.floor(np.log10(density[density > 0])).clip(DECADES[0], DECADES[-1] - 1)
    found = {f"1e{decade} to 1e{decade + 1}": int((powers == decade).sum()) for decade in DECADES[:-1]}
    return {"never": int((density == 0).sum()), **found}
