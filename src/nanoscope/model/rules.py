"""Rules of differentiation: what a block's derivative holds fixed. The values never change, only their derivatives do.

    norms held       the scale that a norm divides by is a constant
    slopes           an activation function is the line through 0 and its value: its derivative is post / pre
    products halved  of a product of two activations (query and key, pattern and value, gate and linear factor) each factor
                     gets half of the derivative
    temperature T    the derivative of the softmax is taken at scores / T, where it is less saturated

Relevance patching (RelP; Rezaei Jafari et al. 2025, after LRP for transformers, Ali et al. 2022 and Achtibat et al. 2024) uses
the first three; gradient interaction modifications (GIM; Edin et al. 2025) norms held, products halved and T = 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.model import arithmetic
from nanoscope.model.modules import MLP, Attention, Norm


@dataclass(frozen=True)
class Rules:
    """Which rules hold; none of them for the true derivative."""

    norms_held: bool = False
    slopes: bool = False
    products_halved: bool = False
    temperature: float = 1.0

    def norm(self, x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any d_model"]:
        """`arithmetic.norm`."""
        found = arithmetic.norm(x, weights)
        return _derived_as(found, arithmetic.norm_frozen(x, x.detach(), weights)) if self.norms_held else found

    def attend(self, q: Tensor, k: Tensor, v: Tensor, attn: Attention) -> Float[Tensor, "batch query head d_head"]:
        """Causal `arithmetic.attend`."""
        if not self.products_halved and self.temperature == 1:
            return arithmetic.attend(q, k, v, attn)
        visible = arithmetic.visible_causally(q.shape[1], k.shape[1], q.device)
        scores = arithmetic.scores(self._factor(q), self._factor(k), attn)
        pattern = arithmetic.pattern(scores, visible)
        if self.temperature != 1:
            pattern = _derived_as(pattern, self.temperature * arithmetic.pattern(scores / self.temperature, visible))
        return arithmetic.mix(self._factor(pattern), self._factor(v))

    def mlp(self, x: Float[Tensor, "*any d_model"], mlp: MLP) -> Float[Tensor, "*any d_model"]:
        """`arithmetic.mlp_whole`."""
        pre = arithmetic.mlp_pre(x, mlp)
        active = arithmetic.mlp_post(pre, mlp)
        if self.slopes:
            slope = torch.where(pre == 0, 0, active / pre).detach()
            active = _derived_as(active, pre * slope)
        if mlp.c_up is not None:
            active = self._factor(active) * self._factor(arithmetic.mlp_pre_linear(x, mlp))
        return arithmetic.mlp_out(active, mlp)

    def _factor(self, x: Tensor) -> Tensor:
        return _derived_as(x, x / 2) if self.products_halved else x


EXACT = Rules()
HELD = Rules(norms_held=True)
RELP = Rules(norms_held=True, slopes=True, products_halved=True)
GIM = Rules(norms_held=True, products_halved=True, temperature=2.0)


def _derived_as(value: Tensor, like: Tensor) -> Tensor:
    """The value, with the derivative of another expression."""
    return value.detach() + (like - like.detach())
