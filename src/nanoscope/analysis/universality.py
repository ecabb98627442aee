"""Do other trainings grow the same neurons? Each neuron's best correlation with any neuron of another model.

    excess = max over j of corr(n, m_j) - max over j of corr(n, (R m)_j)

with R a random rotation of each layer's neuron basis in the other model: what the best of as many directions gives
without neurons being special (Gurnee et al. 2024, who call a neuron universal where the excess is above 0.5). The two
models must differ in their seed: two checkpoints of one training share their neurons because one became the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nanoscope.hidden import Windows, by_layer
from nanoscope.model import GPT
from nanoscope.results import Sweep
from nanoscope.seeds import seed_for

if TYPE_CHECKING:
    from jaxtyping import Float

BLOCK = 512
UNIVERSAL = 0.5


def excess_correlation(model: GPT, other: GPT, windows: Windows, *labels: object) -> Sweep:
    """`[measure, layer, neuron]`: "best" correlation with any neuron of the other model, the same with its neurons
    "rotated", and the "excess" of the first. In single precision, block by block; 0 for a neuron that never changes."""
    mine = [standardised(hidden.post) for hidden in by_layer(model, windows)]
    best, rotated = (torch.full((len(mine), len(mine[0])), -1.0) for _ in range(2))
    for layer, hidden in enumerate(by_layer(other, windows)):
        turned = rotation(len(hidden.post), layer, *labels) @ hidden.post
        for found, theirs in ((best, hidden.post), (rotated, turned)):
            columns = standardised(theirs).T.contiguous()
            for row, neurons in enumerate(mine):
                torch.maximum(found[row], _largest(neurons, columns), out=found[row])
    values = torch.stack([best, rotated, best - rotated]).double().numpy()
    return Sweep(values, ("measure", "layer", "neuron"), "correlation", {"measure": ("best", "rotated", "excess")})


def standardised(rows: Float[Tensor, "neuron char"]) -> Float[Tensor, "neuron char"]:
    """Rows of mean 0 and length 1, so that products are correlations; a constant row becomes 0."""
    off = rows - rows.mean(1, keepdim=True)
    length = off.norm(dim=1, keepdim=True)
    return off / length.masked_fill(length == 0, 1)


def rotation(size: int, *labels: object) -> Float[Tensor, "size size"]:
    """A random rotation (or reflection), every one equally likely."""
    generator = torch.Generator().manual_seed(seed_for("rotation", size, *labels))
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator))
    return q * torch.sign(torch.diagonal(r))


def _largest(rows: Float[Tensor, "neuron char"], columns: Float[Tensor, "char neuron"]) -> Float[Tensor, "neuron"]:
    return torch.cat([(block @ columns).amax(1) for block in rows.split(BLOCK)])
