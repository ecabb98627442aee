"""What every dictionary is compared with: the same fit on an untrained model, principal components, and the neurons.

Controls are coders like any other, so that every measure reads them in the same way. Measures of a dictionary look good on
random weights too (Heap et al. 2025): a claim about features must beat the twin.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.dictionaries.coder import Coder, Shape
from nanoscope.model.arithmetic import mlp_post, mlp_pre, mlp_pre_linear
from nanoscope.model.gpt import GPT, untrained
from nanoscope.model.modules import MLP


def twin(model: GPT, seed: int) -> GPT:
    """An untrained model of the same shape."""
    return untrained(model, "twin", seed)


def principal(x: Float[Tensor, "token d"], k: int) -> Coder:
    """The k largest of each token's principal components, about the mean: as many active numbers as a topk coder of this k.

    At least as good as the first k components, and those are the best k *fixed* directions. Every component has two latents,
    one for each sign.
    """
    mean = x.mean(0, dtype=torch.double)
    spread = torch.zeros(len(mean), len(mean), dtype=torch.double)
    for part in x.split(4096):
        beyond = part.double() - mean
        spread += beyond.T @ beyond
    axes = torch.linalg.eigh(spread).eigenvectors.flip(1).T
    return signed(axes.float(), mean.float(), k)


def coordinates(x: Float[Tensor, "token d"], k: int) -> Coder:
    """The k coordinates of each token that are furthest from their mean: the basis itself, of neurons where they are read."""
    return signed(torch.eye(x.shape[1]), x.mean(0), k)


def signed(axes: Float[Tensor, "axis d"], mean: Float[Tensor, "d"], k: int) -> Coder:
    """A topk coder of the k largest coefficients along orthonormal axes, each with a latent for either sign."""
    both = torch.cat([axes, -axes])
    coder = Coder(Shape("topk", axes.shape[1], axes.shape[1], len(both), min(k, len(axes))))
    with torch.no_grad():
        coder.W_enc.copy_(both)
        coder.W_dec.copy_(both)
        coder.b_enc.copy_(-both @ mean)
        coder.b_dec.copy_(mean)
    return coder.eval().requires_grad_(False)


@dataclass(frozen=True)
class Neurons:
    """The MLP's own neurons as a transcoder: each token keeps the k that write the longest vectors beyond their mean."""

    mlp: MLP = field(repr=False)
    mean: Float[Tensor, "neuron"] = field(repr=False)
    k: int

    @staticmethod
    def of(mlp: MLP, x: Float[Tensor, "token d_model"], k: int) -> Neurons:
        """With the neurons' means over these inputs of the MLP."""
        total = sum(_post(mlp, part).sum(0) for part in x.split(4096))
        return Neurons(mlp, torch.as_tensor(total) / len(x), k)

    def encode(self, x: Float[Tensor, "*any d_model"]) -> Float[Tensor, "*any neuron"]:
        """The kept neurons' activations beyond their mean; 0 for all others."""
        beyond = _post(self.mlp, x) - self.mean
        top = (beyond.abs() * self.mlp.c_proj.weight.norm(dim=0)).topk(min(self.k, len(self.mean)), dim=-1).indices
        return torch.zeros_like(beyond).scatter(-1, top, beyond.gather(-1, top))

    def decode(self, f: Float[Tensor, "*any neuron"]) -> Float[Tensor, "*any d_model"]:
        """What the MLP writes with these neurons, and all others at their mean."""
        return self.mlp.c_proj(f + self.mean)

    def rebuilt(
        self, x: Float[Tensor, "*any d_model"], f: Float[Tensor, "*any neuron"]
    ) -> Float[Tensor, "*any d_model"]:
        """The reconstruction; all of it comes from the neurons."""
        return self.decode(f)


def _post(mlp: MLP, x: Tensor) -> Tensor:
    return mlp_post(mlp_pre(x, mlp), mlp, None if mlp.c_up is None else mlp_pre_linear(x, mlp))
