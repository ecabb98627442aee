"""What a coder is trained to do: the squared error, with a price on active latents where no top-k limits them, and the
auxiliary loss that revives dead latents (AuxK, Gao et al. 2024): what is left unexplained, explained by dead latents alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from nanoscope.dictionaries.coder import Coder, Kind
from nanoscope.dictionaries.sparse import Choice, decoded, encoded, jump, top_of_all, top_of_each
from nanoscope.errors import NanoscopeError
from nanoscope.training.recipe import Precision

ROWS = 512
"""Tokens whose pre-activations are computed at a time, and on which the auxiliary loss is measured."""
CROWD = 8
"""Of so many dead latents at most one takes part in the auxiliary loss of a token."""
BANDWIDTH = 1e-2
"""Width of the rectangle in JumpReLU's gradient, for activations of length about 1."""


@dataclass(frozen=True)
class Recipe:
    """All settings that determine a dictionary, beside the model, its text and the source."""

    kind: Kind = "topk"
    latents: int = 3072
    k: int = 16
    """Active latents: of each token (topk), on average (batchtopk, jumprelu's aim); relu has no such aim."""
    tokens: int = 3_000_000
    batch: int = 2048
    seed: int = 1
    skip: bool = False
    learning_rate: float = 2e-3
    penalty: float = 0.1
    """Price of activity: of (L0 / k - 1)^2 for jumprelu, of the mean sum of latents for relu; the others have none."""
    dead_after: int = 250_000
    """Tokens without activity after which a latent is dead; at most a tenth of the training, else none would be revived."""
    aux_weight: float = 1 / 32
    precision: Precision = "float32"
    """Of the model's passes and of the search for the largest latents; bfloat16 is faster where a processor has it."""

    def __post_init__(self) -> None:
        for name in ("tokens", "batch", "dead_after"):
            if getattr(self, name) < 1:
                raise NanoscopeError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise NanoscopeError(f"learning_rate must be above 0, not {self.learning_rate}")

    @property
    def steps(self) -> int:
        return -(-self.tokens // self.batch)

    @property
    def patience(self) -> int:
        """`dead_after`, as a training of this length takes it."""
        return min(self.dead_after, max(1, self.tokens // 10))


def rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up over a twentieth of the steps, and linear decay to 0 over the last fifth."""
    warm, falling = (step + 1) / (recipe.steps / 20), (recipe.steps - step) / (recipe.steps / 5)
    return recipe.learning_rate * min(1.0, warm, falling)


class Step(NamedTuple):
    """The loss of a batch, and what is known of it: `error` is the FVU, since scaled targets have variance 1."""

    loss: Tensor
    error: float
    active: float
    """Mean number of active latents, L0."""
    fired: Bool[Tensor, "latent"]
    least: float
    """The smallest active latent, batchtopk's threshold on this batch; 0 if none is active."""


class _Coded(NamedTuple):
    y: Tensor
    active: Tensor
    fired: Tensor
    least: float
    price: Tensor


def objective(
    coder: Coder,
    x: Float[Tensor, "token d_in"],
    y: Float[Tensor, "token d_out"],
    dead: Tensor,
    recipe: Recipe,
    ramp: float,
) -> Step:
    """The loss on scaled activations. `dead` holds the numbers of dead latents; `ramp` weights the price of activity."""
    coded = _sparse(coder, x, recipe) if recipe.kind in ("topk", "batchtopk") else _dense(coder, x, recipe)
    left = y - coded.y
    error = left.square().sum(1).mean()
    loss = error + recipe.aux_weight * revival(coder, x[:ROWS], left[:ROWS].detach(), dead)
    loss = loss + ramp * recipe.penalty * coded.price
    return Step(loss, float(error.detach()), float(coded.active), coded.fired, coded.least)


def _sparse(coder: Coder, x: Tensor, recipe: Recipe) -> _Coded:
    """A forward pass that computes only chosen latents with gradients."""
    choice = chosen(coder, x, recipe.precision)
    f = encoded(x, coder.W_enc, coder.b_enc, choice).clamp(min=0)
    y = coder.skipped(x, decoded(f, coder.W_dec, choice) + coder.b_dec)
    on = f.detach() > 0
    fired = torch.zeros(len(coder.W_enc), dtype=torch.bool).index_fill_(0, choice.latents[on], True)
    least = float(f.detach()[on].min()) if on.any() else 0.0
    return _Coded(y, on.sum() / len(x), fired, least, x.new_zeros(()))


def chosen(coder: Coder, x: Float[Tensor, "token d_in"], precision: Precision) -> Choice:
    """The largest latents of some tokens. Per token they are found for a few tokens at a time, without an array of all."""
    kind = torch.bfloat16 if precision == "bfloat16" else x.dtype
    with torch.no_grad():
        W, b = coder.W_enc.to(kind), coder.b_enc.to(kind)
        if coder.shape.kind == "batchtopk":
            return top_of_all(F.linear(x.to(kind), W, b), coder.shape.k)
        parts = [top_of_each(F.linear(part.to(kind), W, b), coder.shape.k).latents for part in x.split(ROWS)]
        return Choice(torch.cat(parts), torch.arange(len(x)) * coder.shape.k)


def _dense(coder: Coder, x: Tensor, recipe: Recipe) -> _Coded:
    """A forward pass through all latents, with the price of activity: L0 against its aim (jumprelu), L1 (relu)."""
    pre = coder.pre(x)
    if recipe.kind == "jumprelu":
        f, on = jump(pre.clamp(min=0), coder.threshold, BANDWIDTH)
        price = (on.sum(1).mean() / recipe.k - 1).square()
    else:
        f = pre.clamp(min=0)
        on, price = (f > 0).float(), f.sum(1).mean()
    y = coder.skipped(x, coder.decode(f))
    on = on.detach()
    return _Coded(y, on.sum(1).mean(), on.any(0), 0.0, price)


def revival(
    coder: Coder, x: Float[Tensor, "token d_in"], left: Float[Tensor, "token d_out"], dead: Int[Tensor, "dead"]
) -> Float[Tensor, ""]:
    """The share of the error that the largest dead latents leave unexplained; 0 if none is dead or there is no error.

    Half the width of them (Gao et al. 2024), but no more than an eighth of the dead, since no latent comes to stand for a
    feature in a sum of nearly all, and no fewer than the coder itself keeps. Their values are not cut off at 0: a latent that
    its bias silences on every token has a gradient too, which raises the bias.
    """
    total = left.square().sum()
    if not len(dead) or not total > 0:
        return x.new_zeros(())
    pre = F.linear(x, coder.W_enc[dead], coder.b_enc[dead])
    count = max(coder.shape.k, min(coder.shape.d_out // 2, len(dead) // CROWD))
    top = pre.topk(min(len(dead), count), dim=1, sorted=False)
    f = torch.zeros_like(pre).scatter(1, top.indices, top.values)
    return (left - f @ coder.W_dec[dead]).square().sum() / total
