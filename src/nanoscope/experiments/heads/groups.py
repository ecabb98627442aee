"""Experiment 02, which heads are ablated together, and what that costs, as read from a stored result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Num

from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import ALL_CLASSES
from nanoscope.model.names import head_name

Heads = tuple[tuple[int, int], ...]
EVERY = "all heads"


def by_class(label: Num[np.ndarray, "layer head"]) -> dict[str, Heads]:
    """The heads of every class that labels any."""
    found = {name: np.argwhere(label == i) for i, name in enumerate(ALL_CLASSES)}
    return {name: tuple((int(layer), int(head)) for layer, head in at) for name, at in found.items() if len(at)}


def by_layer(label: Num[np.ndarray, "layer head"]) -> dict[str, Heads]:
    """All heads of each layer, all above each of the lower layers, and all; no set twice."""
    layers, heads = label.shape

    def within(*some: int) -> Heads:
        return tuple(product(some, range(heads)))

    found = {f"heads of L{layer}": within(layer) for layer in range(layers)}
    found |= {f"heads above L{layer}": within(*range(layer + 1, layers)) for layer in range(layers - 2)}
    return found | ({EVERY: within(*range(layers))} if layers > 1 else {})


@dataclass(frozen=True)
class Cost:
    """What a model loses without a group of heads. Everything in nats per token."""

    name: str
    heads: Heads
    together: Float[np.ndarray, "window"]
    """Without all of them at once."""
    apart: float
    """The sum of the losses without each one alone: less than `together` where they cover for one another."""
    others: Float[np.ndarray, "draw window"]
    """Without as many other heads of the same layers, set by set; empty where there are not so many others."""

    @property
    def beyond_others(self) -> Float[np.ndarray, "window"]:
        """`together` minus the mean over the sets of others."""
        return self.together - self.others.mean(0)


def singles(sweeps: Mapping[str, Sweep]) -> Float[np.ndarray, "layer head window"]:
    """The loss without each single head, beyond the model's."""
    layers, heads = sweeps["label"].values.shape
    names = [head_name(*at) for at in np.ndindex(layers, heads)]
    return np.stack([sweeps["costs"].sel(set=name).values for name in names]).reshape(layers, heads, -1).astype(float)


def costs(sweeps: Mapping[str, Sweep]) -> tuple[Cost, ...]:
    """What each class and each group of layers costs, classes first; of a result up to version 3 only the classes, with the
    others' mean in the place of the sets, and the sums unknown."""
    if "costs" not in sweeps:
        return _of_version_3(sweeps)
    label, alone = sweeps["label"].values, singles(sweeps).mean(-1)
    classes, drawn = by_class(label), sweeps["others"]
    found = []
    for name, heads in (classes | by_layer(label)).items():
        together = sweeps["costs"].sel(set=name).values.astype(float)
        others = drawn.sel(cls=name).values.astype(float) if name in classes else together[None][:0]
        apart = float(sum(alone[at] for at in heads))
        found.append(Cost(name, heads, together, apart, others[~np.isnan(others).any(-1)]))
    return tuple(found)


def _of_version_3(sweeps: Mapping[str, Sweep]) -> tuple[Cost, ...]:
    lost = sweeps["ablation"].values - sweeps["ablation_intact"].values
    heads = by_class(sweeps["label"].values)
    return tuple(
        Cost(str(name), heads[str(name)], own, np.nan, others[None] if not np.isnan(others).any() else others[None][:0])
        for name, (own, others) in zip(sweeps["ablation"].labels("cls"), lost, strict=True)
    )


def of_class(sweeps: Mapping[str, Sweep], cls: str) -> Cost | None:
    """What a class costs; None if no head is labelled with it."""
    return next((one for one in costs(sweeps) if one.name == cls), None)
