"""A sparse coder: an activation as a sum of few of many directions. Autoencoders and transcoders differ only in their target.

    f = act(x W_enc^T + b_enc)        y = f W_dec + b_dec (+ x W_skip^T)

`act` keeps the k largest of each token (topk, Gao et al. 2024), or those above a threshold: learnt per latent (jumprelu,
Rajamanoharan et al. 2024), or one that keeps k on average (batchtopk, Bussmann et al. 2024), or 0 (relu, Bricken et al. 2023).
Rows of `W_dec` have length 1, so a latent's value is the length of what it adds to y. Method: docs/methods/features.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for

Kind = Literal["topk", "batchtopk", "jumprelu", "relu"]
KINDS: tuple[Kind, ...] = ("topk", "batchtopk", "jumprelu", "relu")
BEGINNING = 1e-3
"""JumpReLU's thresholds before training, for activations of length about 1."""


@dataclass(frozen=True)
class Shape:
    """What kind of coder, of which sizes. `k` is the mean number of active latents that training aims at (relu: at none)."""

    kind: Kind
    d_in: int
    d_out: int
    latents: int
    k: int
    skip: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise NanoscopeError(f"no coder is of kind {self.kind!r}; choose one of {', '.join(KINDS)}")
        if min(self.d_in, self.d_out, self.latents, self.k) < 1:
            raise NanoscopeError(f"widths, latents and k must be at least 1, not {self}")
        if self.k > self.latents:
            raise NanoscopeError(f"k = {self.k} of {self.latents} latents cannot be active; give a smaller k")


class Coder(nn.Module):
    """The weights of a coder: `W_enc [latent d_in]`, `b_enc`, `W_dec [latent d_out]`, `b_dec`, `threshold [latent]`, `W_skip`.

    `threshold` is learnt by jumprelu and measured by batchtopk; for the other kinds it is 0.
    """

    W_skip: nn.Parameter | None

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.W_enc = nn.Parameter(torch.zeros(shape.latents, shape.d_in))
        self.b_enc = nn.Parameter(torch.zeros(shape.latents))
        self.W_dec = nn.Parameter(torch.zeros(shape.latents, shape.d_out))
        self.b_dec = nn.Parameter(torch.zeros(shape.d_out))
        self.threshold = nn.Parameter(torch.zeros(shape.latents), requires_grad=shape.kind == "jumprelu")
        self.W_skip = nn.Parameter(torch.zeros(shape.d_out, shape.d_in)) if shape.skip else None

    def pre(self, x: Float[Tensor, "*any d_in"]) -> Float[Tensor, "*any latent"]:
        """The latents before the activation function."""
        return F.linear(x, self.W_enc, self.b_enc)

    def encode(self, x: Float[Tensor, "*any d_in"]) -> Float[Tensor, "*any latent"]:
        """The latents: at least 0, few of them more."""
        pre = self.pre(x)
        if self.shape.kind != "topk":
            return pre.clamp(min=0) * (pre > self.threshold)
        top = pre.topk(self.shape.k, dim=-1)
        return torch.zeros_like(pre).scatter(-1, top.indices, top.values.clamp(min=0))

    def decode(self, f: Float[Tensor, "*any latent"]) -> Float[Tensor, "*any d_out"]:
        """What latents add up to, without the skip connection."""
        return f @ self.W_dec + self.b_dec

    def forward(self, x: Float[Tensor, "*any d_in"]) -> Float[Tensor, "*any d_out"]:
        """The reconstruction of the target from the input."""
        return self.rebuilt(x, self.encode(x))

    def rebuilt(self, x: Float[Tensor, "*any d_in"], f: Float[Tensor, "*any latent"]) -> Float[Tensor, "*any d_out"]:
        """The reconstruction from the input's latents, which may have been changed."""
        return self.skipped(x, self.decode(f))

    def skipped(self, x: Float[Tensor, "*any d_in"], y: Float[Tensor, "*any d_out"]) -> Float[Tensor, "*any d_out"]:
        """`y` with the skip connection's share, if there is one."""
        return y if self.W_skip is None else y + F.linear(x, self.W_skip)

    def with_unit_decoder(self) -> None:
        """Rescale the rows of the decoder to length 1, in place."""
        with torch.no_grad():
            self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp(min=1e-12))

    def with_thresholds_from_zero(self) -> None:
        """Raise thresholds below 0 to it, in place: below, a latent that is 0 would count as active."""
        with torch.no_grad():
            self.threshold.clamp_(min=0)

    def without_parallel_gradient(self) -> None:
        """Remove from the decoder's gradient the part along its rows, which only changes their length."""
        if self.W_dec.grad is not None:
            with torch.no_grad():
                along = (self.W_dec.grad * self.W_dec).sum(1, keepdim=True)
                self.W_dec.grad.addcmul_(along, self.W_dec, value=-1)


def starting(shape: Shape, tied: bool, seed: int) -> Coder:
    """An untrained coder: random unit decoder rows, and encoder rows equal to them (`tied`) or as random."""
    coder = Coder(shape)
    generator = torch.Generator().manual_seed(seed_for("coder", seed))
    with torch.no_grad():
        coder.W_dec.normal_(generator=generator)
        coder.with_unit_decoder()
        coder.W_enc.copy_(coder.W_dec if tied else F.normalize(coder.W_enc.normal_(generator=generator), dim=1))
        if shape.kind == "jumprelu":
            coder.threshold.fill_(BEGINNING)
    return coder


@dataclass(frozen=True)
class Scale:
    """How activations are centred and scaled for training: `(x - mean) / size`, size being one number, so that the mean of
    `|(x - mean) / size|^2` is 1."""

    mean: Float[Tensor, "d"]
    size: Float[Tensor, ""]

    @staticmethod
    def of(x: Float[Tensor, "token d"]) -> Scale:
        """The scale of these activations; NanoscopeError if they never vary."""
        mean = x.double().mean(0)
        size = sum((part.double() - mean).square().sum() for part in x.split(4096)) / len(x)
        if not 0 < float(size) < torch.inf:
            raise NanoscopeError("the activation never varies on this text, so no dictionary can be learnt of it")
        return Scale(mean.float(), torch.as_tensor(size).sqrt().float())

    def apply(self, x: Float[Tensor, "token d"]) -> Float[Tensor, "token d"]:
        """The scaled activations."""
        return (x - self.mean).div_(self.size)


def folded(coder: Coder, source: Scale, target: Scale) -> Coder:
    """The coder of raw activations that does what `coder` does to scaled ones; its decoder's rows keep their length.

    Since act(c z) = c act(z), the target's size can move from the output to the latents, which then have the target's units.
    """
    raw = Coder(coder.shape)
    ratio = target.size / source.size
    with torch.no_grad():
        raw.W_enc.copy_(coder.W_enc * ratio)
        raw.b_enc.copy_(coder.b_enc * target.size - raw.W_enc @ source.mean)
        raw.W_dec.copy_(coder.W_dec)
        raw.b_dec.copy_(coder.b_dec * target.size + target.mean)
        raw.threshold.copy_(coder.threshold * target.size)
        if raw.W_skip is not None and coder.W_skip is not None:
            raw.W_skip.copy_(coder.W_skip * ratio)
            raw.b_dec.sub_(raw.W_skip @ source.mean)
    return raw.eval().requires_grad_(False)
