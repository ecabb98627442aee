"""Universal neurons across trainings: each neuron's best correlation with any neuron of another model.

    excess = max over j of corr(n, m_j) - max over j of corr(n, (R m)_j)

with R a random rotation of each layer's neuron basis in the other model. The second term is the baseline: the best of as
many directions if the neuron basis is not special. Gurnee et al. 2024 call a neuron universal if the excess is above 0.5.
The two models must differ in their seed: checkpoints of one training share their neurons trivially.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nanoscope.analysis.neurons.activations import by_layer
from nanoscope.evidence.sweep import Sweep
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.statistics import rotations
from nanoscope.text.windows import Windows

BLOCK = 512
UNIVERSAL = 0.5


def posts(model: GPT, windows: Windows) -> Iterator[Float[Tensor, "neuron char"]]:
    """The activations of a model's neurons, layer by layer."""
    return (hidden.neurons for hidden in by_layer(model, windows, "post"))


def excess_correlation(
    mine: Sequence[Float[Tensor, "neuron char"]], theirs: Iterable[Float[Tensor, "neuron char"]], *labels: object
) -> Sweep:
    """`[measure, layer, neuron]`: "best" correlation with any neuron of the other model, the same with that model's neurons
    "rotated", and the difference, "excess". In single precision; 0 for a constant neuron.

    `mine` and `theirs` are the two models' `posts` on the same characters; `theirs` is held one layer at a time.
    """
    rows = [standardised(post) for post in mine]
    best, rotated = (torch.full((len(rows), len(rows[0])), -1.0) for _ in range(2))
    for layer, post in enumerate(theirs):
        rotated_post = rotation(len(post), layer, *labels) @ post
        for found, other in ((best, post), (rotated, rotated_post)):
            columns = standardised(other).T.contiguous()
            for row, neurons in enumerate(rows):
                torch.maximum(found[row], _largest(neurons, columns), out=found[row])
    values = torch.stack([best, rotated, best - rotated]).numpy()
    return Sweep(values, ("measure", "layer", "neuron"), "correlation", {"measure": ("best", "rotated", "excess")})


def shared_half(layers: int, neurons: int, *labels: object) -> Bool[Tensor, "layer neuron"]:
    """The neurons that `half_shared` keeps: a random half of every layer."""
    generator = torch.Generator().manual_seed(seed_for("shared half", layers, neurons, *labels))
    return torch.rand(layers, neurons, generator=generator).argsort(dim=1) < neurons // 2


def half_shared(
    mine: Iterable[Float[Tensor, "neuron char"]],
    other: Iterable[Float[Tensor, "neuron char"]],
    shared: Bool[Tensor, "layer neuron"],
) -> Iterator[Float[Tensor, "neuron char"]]:
    """A known answer: the activations of `mine` for the `shared` neurons, and those of an `other` model for the rest."""
    return (torch.where(kept[:, None], a, b) for a, b, kept in zip(mine, other, shared, strict=True))


def standardised(rows: Float[Tensor, "neuron char"]) -> Float[Tensor, "neuron char"]:
    """Rows of mean 0 and length 1, so that products are correlations; a constant row becomes 0."""
    centred = rows - rows.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    return centred / length.masked_fill(length == 0, 1)


def _largest(rows: Float[Tensor, "neuron char"], columns: Float[Tensor, "char neuron"]) -> Float[Tensor, "neuron"]:
    return torch.cat([(block @ columns).amax(1) for block in rows.split(BLOCK)])


def rotation(size: int, *labels: object) -> Float[Tensor, "size size"]:
    """The random rotation seeded by these labels."""
    return rotations.rotation(size, torch.Generator().manual_seed(seed_for("rotation", size, *labels)))
