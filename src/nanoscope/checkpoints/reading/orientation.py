"""Which way round a matrix is stored: `[out, in]` as in torch's `Linear`, `[in, out]` as in GPT-2's Conv1D, or by head.

The residual stream's width tells for every matrix that is not square; square ones follow the others of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

READS = ("q", "k", "v", "qkv", "kv", "fc", "up")
"""Maps from the residual stream; `out` and `down` lead back."""


def embedding(table: Tensor, width: int) -> Tensor:
    """A table of symbols as `[symbol, d_model]`."""
    return table.T if table.dim() == 2 and table.shape[1] != width and table.shape[0] == width else table


def transposed(layers: Iterable[Mapping[str, Tensor]], width: int) -> bool:
    """Do all matrices of the layers that are not square say `[in, out]`?"""
    votes = {
        _is_transposed(key, value, width)
        for layer in layers
        for key, value in layer.items()
        if value.dim() == 2 and value.shape[0] != value.shape[1]
    }
    return votes == {True}


def oriented(key: str, value: Tensor, width: int, turned: bool) -> Tensor:
    """A layer's weight as `[out, in]`; biases and norms as vectors."""
    role = key.split(".", maxsplit=1)[0]
    if key.endswith(".bias"):
        return value.flatten()
    if value.dim() == 3:
        return flat(value, role, width)
    if value.dim() != 2:
        return value
    square = value.shape[0] == value.shape[1]
    return value.T if (turned if square else _is_transposed(key, value, width)) else value


def flat(value: Tensor, role: str, width: int) -> Tensor:
    """A weight with an axis of heads as a matrix `[out, in]`: `[head, d_model, d_head]` or `[head, d_head, d_model]` of a map
    from the residual stream, `[head, d_head, d_model]` or `[d_model, head, d_head]` of the map back."""
    if role in READS:
        by_head = value.mT if value.shape[1] == width else value
        return by_head.flatten(0, 1)
    if value.shape[2] == width:
        return value.permute(2, 0, 1).flatten(1)
    return value.flatten(1) if value.shape[0] == width else value.permute(1, 0, 2).flatten(1)


def _is_transposed(key: str, value: Tensor, width: int) -> bool:
    """Is a matrix that is not square `[in, out]`?"""
    at = 1 if key.split(".", maxsplit=1)[0] in READS else 0
    return value.shape[at] != width and value.shape[1 - at] == width
