"""A whole pickled module: its state dict, and what its attributes say, from inert stand-ins.

The names are those of `Module.state_dict`: parameters, then buffers that are stored, then the parts.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any, TypeGuard

from torch import Tensor

from nanoscope.checkpoints.containers.plain import PARTS, table
from nanoscope.pickles import StandIn

MOST_MODULES = 20_000
WRAPPED = frozenset(["module", "_orig_mod", "_fsdp_wrapped_module", "_forward_module"])
NO_SETTINGS = frozenset(
    [
        *("training", "in_features", "out_features", "num_embeddings", "embedding_dim", "normalized_shape", "inplace"),
        *("elementwise_affine", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"),
    ]
)
"""What torch's own modules say that their weights' shapes or their names show, or that changes nothing."""


def is_module(value: Any) -> TypeGuard[StandIn]:
    """Is it a pickled torch module? They all have tables of parameters and of parts."""
    return isinstance(value, StandIn) and isinstance(value.state.get("_modules"), dict)


def unwrapped(module: StandIn) -> StandIn:
    """The module within DataParallel, torch.compile and the like: those that have one part and nothing of their own."""
    parts = _table(module, "_modules")
    while len(parts) == 1 and not _table(module, "_parameters") and set(parts) <= WRAPPED:
        inner = next(iter(parts.values()))
        if not is_module(inner):
            break
        module, parts = inner, _table(inner, "_modules")
    return module


def state_dict(module: StandIn) -> dict[str, Tensor]:
    """The tensors of a module under the names that its own `state_dict` would give them."""
    found: dict[str, Tensor] = {}
    for path, one in _walk(module):
        fleeting = one.state.get("_non_persistent_buffers_set", ())
        for kind in ("_parameters", "_buffers"):
            for name, value in _table(one, kind).items():
                if isinstance(value, Tensor) and name not in fleeting:
                    found[f"{path}{name}"] = value
    return found


def attributes(module: StandIn) -> dict[str, Any]:
    """The plain attributes of a module and its parts: under the bare name where all that have it agree, else also with the
    part's path before it."""
    said: dict[str, dict[str, Any]] = {}
    left = [PARTS]
    for path, one in _walk(module):
        settings = {name: value for name, value in one.state.items() if not str(name).startswith("_")}
        for name, value in table(settings, left).items():
            if name not in NO_SETTINGS:
                said.setdefault(name, {})[path] = value
    found: dict[str, Any] = {}
    for name, values in said.items():
        first = next(iter(values.values()))
        if all(value == first for value in values.values()):
            found[name] = first
        else:
            found |= {f"{path}{name}": value for path, value in values.items()}
    return found


def classes(module: StandIn) -> dict[str, str]:
    """The class of each module that has no weights of its own and no parts, such as an activation: path -> name."""
    return {
        path.removesuffix("."): str(one.made_by)
        for path, one in _walk(module)
        if not _table(one, "_parameters") and not _table(one, "_modules")
    }


def _walk(module: StandIn) -> Iterator[tuple[str, StandIn]]:
    """A module and its parts, each with its path: "" or one that ends in a point."""
    waiting, seen = [("", module)], 0
    while waiting:
        path, one = waiting.pop()
        seen += 1
        if seen > MOST_MODULES or len(path) > 1000:
            raise pickle.UnpicklingError("its modules have too many parts")
        yield path, one
        parts = [(f"{path}{name}.", part) for name, part in _table(one, "_modules").items() if is_module(part)]
        waiting += reversed(parts)


def _table(module: StandIn, name: str) -> dict[Any, Any]:
    value = module.state.get(name)
    return value if isinstance(value, dict) else {}
