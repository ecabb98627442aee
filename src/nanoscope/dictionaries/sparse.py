"""The arithmetic of sparse codes, with gradients: products that touch only the chosen latents, and the jump's gradient.

A choice of latents is `latents [n]`, token by token, with the index `begins [token]` at which each token's latents begin. All
three products are sums over bags of rows: a token's bag holds its latents, a latent's bag the tokens that chose it. They cost
n x d multiplications, where dense ones cost token x latent x d.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


class Choice(NamedTuple):
    """The chosen latents of each token: `latents[begins[t] : begins[t + 1]]` are those of token t."""

    latents: Int[Tensor, "n"]
    begins: Int[Tensor, "token"]

    @property
    def tokens(self) -> Int[Tensor, "n"]:
        """The token of each chosen latent."""
        ends = torch.cat([self.begins[1:], self.begins.new_tensor([len(self.latents)])])
        return torch.arange(len(self.begins)).repeat_interleave(ends - self.begins)


def top_of_each(pre: Float[Tensor, "token latent"], k: int) -> Choice:
    """The k largest pre-activations of each token (TopK, Gao et al. 2024)."""
    return Choice(pre.topk(k, dim=-1, sorted=False).indices.flatten(), torch.arange(len(pre)) * k)


def top_of_all(pre: Float[Tensor, "token latent"], k: int) -> Choice:
    """The k largest pre-activations per token, on average over the batch (BatchTopK, Bussmann et al. 2024)."""
    flat = pre.flatten().topk(k * len(pre), sorted=False).indices.sort().values
    counts = torch.bincount(flat // pre.shape[1], minlength=len(pre))
    return Choice(flat % pre.shape[1], counts.cumsum(0) - counts)


def bags(table: Float[Tensor, "latent d"], weights: Float[Tensor, "n"], choice: Choice) -> Float[Tensor, "token d"]:
    """For each token the weighted sum of the table's chosen rows: the decoder, and (transposed) the gradients of both maps."""
    return F.embedding_bag(choice.latents, table, choice.begins, mode="sum", per_sample_weights=weights)


def dots(x: Float[Tensor, "token d"], table: Float[Tensor, "latent d"], choice: Choice) -> Float[Tensor, "n"]:
    """`x[token] . table[latent]` for each chosen pair: the derivative of a bag by its weights."""
    weights = x.new_zeros(len(choice.latents), requires_grad=True)
    with torch.enable_grad():
        summed = bags(table.detach(), weights, choice)
    return torch.autograd.grad(summed, weights, x.detach())[0]


def transposed(choice: Choice, latents: int) -> tuple[Choice, Int[Tensor, "n"]]:
    """The tokens that chose each latent, and the order that brings values of the choice into this one's."""
    order = choice.latents.argsort(stable=True)
    counts = torch.bincount(choice.latents, minlength=latents)
    return Choice(choice.tokens[order], counts.cumsum(0) - counts), order


class _Encoded(torch.autograd.Function):
    """`dots(x, W, choice) + b[latents]`; the gradient of W is a sum over the tokens that chose each latent."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, b: Tensor, choice: Choice) -> Tensor:
        ctx.save_for_backward(x, *choice)
        ctx.latents = len(W)
        return dots(x, W, choice) + b[choice.latents]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        x, *chosen = ctx.saved_tensors
        choice, grad = Choice(*chosen), grads[0]
        by_latent, order = transposed(choice, ctx.latents)
        bias = grad.new_zeros(ctx.latents).index_add_(0, choice.latents, grad)
        return None, bags(x, grad[order], by_latent), bias, None


class _Decoded(torch.autograd.Function):
    """`bags(W, f, choice)`, with the transposed sum as gradient of W."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, W: Tensor, choice: Choice) -> Tensor:
        ctx.save_for_backward(f, W, *choice)
        return bags(W, f, choice)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        f, W, *chosen = ctx.saved_tensors
        choice, grad = Choice(*chosen), grads[0]
        by_latent, order = transposed(choice, len(W))
        return dots(grad, W, choice), bags(grad, f[order], by_latent), None


def encoded(
    x: Float[Tensor, "token d"], W: Float[Tensor, "latent d"], b: Float[Tensor, "latent"], choice: Choice
) -> Float[Tensor, "n"]:
    """Pre-activations of the chosen latents. `x` gets no gradient."""
    return _Encoded.apply(x, W, b, choice)  # pyright: ignore[reportReturnType]


def decoded(f: Float[Tensor, "n"], W: Float[Tensor, "latent d"], choice: Choice) -> Float[Tensor, "token d"]:
    """The sum of each token's chosen decoder rows, weighted by `f`."""
    return _Decoded.apply(f, W, choice)  # pyright: ignore[reportReturnType]


class _Jump(torch.autograd.Function):
    """z where z > theta, else 0; and the step itself. By theta both have the gradients of a rectangle of width eps."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, theta: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(z, theta)
        ctx.eps = eps
        on = (z > theta).to(z)
        return z * on, on

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        z, theta = ctx.saved_tensors
        value, step = grads
        near = ((z - theta).abs() < ctx.eps / 2) / ctx.eps
        return value * (z > theta), -(near * (theta * value + step)).sum(0), None


def jump(
    z: Float[Tensor, "token latent"], theta: Float[Tensor, "latent"], eps: float
) -> tuple[Float[Tensor, "token latent"], Float[Tensor, "token latent"]]:
    """JumpReLU `z 1[z > theta]` and the step `1[z > theta]` (Rajamanoharan et al. 2024).

    Their straight-through gradients by theta are -(theta / eps) rect((z - theta) / eps) and -(1 / eps) rect((z - theta) / eps).
    """
    return _Jump.apply(z, theta, eps)  # pyright: ignore[reportReturnType]
