"""The weights of a GPT by role, every matrix as torch's `Linear` keeps it, `[out, in]`, whatever the file's layout.

Names give the roles (`names`), shapes the orientation. A weight without a role, or of a shape that does not fit, is a
refusal that names it: nothing is dropped but buffers that every run computes anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanoscope.checkpoints.reading.buffers import context_of_masks, is_buffer
from nanoscope.checkpoints.reading.completeness import missing_inside, missing_outside, refuse, refuse_shapes
from nanoscope.checkpoints.reading.names import Place, place, refused
from nanoscope.checkpoints.reading.orientation import embedding, oriented, transposed
from nanoscope.errors import NanoscopeError


@dataclass(frozen=True)
class Parts:
    """The weights by role. In `layers`, keys are such as `q.weight`; a fused map is kept as `qkv.weight`."""

    embed: Tensor
    positions: Tensor | None
    layers: tuple[Mapping[str, Tensor], ...]
    final: Mapping[str, Tensor]
    """`norm_f.weight`, `norm_f.bias`, `head.weight`, `head.bias`, as far as they are there."""
    heads: int | None = None
    """Number of heads, where the shapes show it."""
    context: int | None = None
    """Number of positions, where a causal mask shows it."""
    places: Mapping[str, str] = field(default_factory=dict)
    """The role of each weight, for whoever wants to see what was taken for what."""

    @property
    def width(self) -> int:
        return self.embed.shape[1]

    def has(self, role: str) -> bool:
        """Does any layer have it?"""
        return any(role in layer for layer in self.layers)


def parts(weights: Mapping[str, Tensor], where: str) -> Parts:
    """Sort weights by role; NanoscopeError, which begins with `where`, names what has none."""
    kept = {name: value for name, value in weights.items() if not is_buffer(name, value)}
    for name in sorted(kept):
        if what := refused(name):
            raise NanoscopeError(f"{where}: the weight {name!r} is of {what}, which nanoscope cannot read")
    placed = {name: found for name in kept if (found := place(name))}
    left = [name for name in kept if name not in placed]
    width = _width(kept, placed)
    slots: dict[tuple[int | None, str], list[tuple[Place, str]]] = defaultdict(list)
    for name, at in sorted(placed.items()):
        slots[at.layer, f"{at.role}.{at.kind}"].append((at, name))
    layers, doubled = _layers(slots, kept, width)
    own = {key: names for (layer, key), names in slots.items() if layer is None}
    left += doubled + [name for names in own.values() for _, name in names[1:]]
    final = {key: kept[names[0][1]] for key, names in own.items()}
    missing = [*missing_outside(final, layers), *missing_inside(layers)]
    refuse(where, sorted(left), missing)
    return _assembled(where, final, layers, width, slots, context_of_masks(weights))


def _assembled(
    where: str,
    final: dict[str, Tensor],
    layers: list[dict[str, Tensor]],
    width: int,
    slots: Mapping[tuple[int | None, str], list[tuple[Place, str]]],
    context: int | None,
) -> Parts:
    embed = embedding(final.pop("embed.weight"), width)
    positions = final.pop("positions.weight", None)
    if "head.weight" in final:
        final["head.weight"] = embedding(final["head.weight"], width)
        if final["head.weight"].shape != embed.shape:
            shapes = f"{list(final['head.weight'].shape)}, the embedding {list(embed.shape)}"
            raise NanoscopeError(
                f"{where}: its head has the shape {shapes}; another output vocabulary or a classifier cannot be read"
            )
    turned = transposed(layers, width)
    heads = _heads(layers) or _listed(slots)
    read = tuple({key: oriented(key, value, width, turned) for key, value in layer.items()} for layer in layers)
    refuse_shapes(where, read, width)
    places = {name: f"{at.role}.{at.kind}" for names in slots.values() for at, name in names}
    table = None if positions is None else _table(positions, width, where)
    return Parts(embed, table, read, final, heads, context, places)


def _width(weights: Mapping[str, Tensor], placed: Mapping[str, Place]) -> int:
    """The width of the residual stream: that of the norms, of the positions, or of the embedding."""
    norms = [
        len(weights[name]) for name, at in placed.items() if at.role.startswith("norm") and weights[name].dim() == 1
    ]
    if norms:
        return Counter(norms).most_common(1)[0][0]
    by_role = {at.role: weights[name] for name, at in placed.items() if at.kind == "weight"}
    for role in ("positions", "embed"):
        if role in by_role and by_role[role].dim() >= 2:
            return by_role[role].shape[-1]
    return 1


def _layers(
    slots: Mapping[tuple[int | None, str], list[tuple[Place, str]]], weights: Mapping[str, Tensor], width: int
) -> tuple[list[dict[str, Tensor]], list[str]]:
    """The weights of each layer by role, and the names of those whose role was taken already."""
    numbers = sorted({layer for layer, _ in slots if layer is not None})
    found: list[dict[str, Tensor]] = [{} for _ in range(max(numbers, default=-1) + 1)]
    doubled: list[str] = []
    for (layer, key), names in slots.items():
        if layer is None:
            continue
        ordered = sorted(names, key=lambda one: (one[0].head or 0, one[0].step or 0))
        if key.startswith("step."):
            doubled += _steps(found[layer], key.split(".")[1], ordered, weights)
        elif all(at.head is not None for at, _ in ordered):
            found[layer][key] = torch.cat([_read_by_head(weights[name], width) for _, name in ordered])
        else:
            found[layer][key] = weights[ordered[0][1]]
            doubled += [name for _, name in ordered[1:]]
    return [_renamed(layer) for layer in found], doubled


def _read_by_head(value: Tensor, width: int) -> Tensor:
    """One head's map as `[d_head, d_model]`."""
    return value.T if value.dim() == 2 and value.shape[1] != width else value


def _steps(
    layer: dict[str, Tensor], kind: str, names: list[tuple[Place, str]], weights: Mapping[str, Tensor]
) -> list[str]:
    """In an MLP that is a list of modules, the first map leads in and the second out; returns the names of any others."""
    for role, (_, name) in zip(("fc", "down"), names, strict=False):
        layer[f"{role}.{kind}"] = weights[name]
    return [name for _, name in names[2:]]


def _renamed(layer: dict[str, Tensor]) -> dict[str, Tensor]:
    """One layer with `fc` for the map that the activation is applied to, and norms counted from 1."""
    names = {"gate": "fc", "fc": "up"} if any(key.startswith("gate.") for key in layer) else {}
    if any(key.startswith("norm_0.") for key in layer):
        names |= {"norm_0": "norm_1", "norm_1": "norm_2"}
    if any(key.startswith("gate.") for key in layer) and any(key.startswith("up.") for key in layer):
        names.pop("fc")
    split = ((*key.split("."), value) for key, value in layer.items())
    return {f"{names.get(role, role)}.{kind}": value for role, kind, value in split}


def _heads(layers: list[dict[str, Tensor]]) -> int | None:
    """The number of heads of weights `[head, ., .]`."""
    return next(
        (len(layer["q.weight"]) for layer in layers if "q.weight" in layer and layer["q.weight"].dim() == 3), None
    )


def _listed(slots: Mapping[tuple[int | None, str], list[tuple[Place, str]]]) -> int | None:
    """The number of heads that are modules of a list."""
    numbers = [at.head for names in slots.values() for at, _ in names if at.head is not None]
    return max(numbers) + 1 if numbers else None


def _table(positions: Tensor, width: int, where: str) -> Tensor:
    """A table of positions `[pos, d_model]`, with a batch axis or without."""
    table = positions.squeeze() if positions.dim() == 3 and 1 in positions.shape[:2] else positions
    if table.dim() == 2 and table.shape[1] != width and table.shape[0] == width:
        table = table.T
    if table.dim() != 2 or table.shape[1] != width:
        raise NanoscopeError(
            f"{where}: its positions have the shape {list(positions.shape)}, not [positions, {width}]; they cannot be read"
        )
    return table
