"""Which part of a file's content is the model, and the names of its weights without those of wrappers.

A part that holds tensors is taken under a known name (`model`, `state_dict`, ...), past optimizers, and past averaged copies
where the plain weights are there too. Trees of dictionaries and lists become names with points. A list of rows is a matrix.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nanoscope.checkpoints.containers import numbers
from nanoscope.checkpoints.containers.modules import is_module, state_dict
from nanoscope.checkpoints.containers.plain import opened
from nanoscope.errors import NanoscopeError
from nanoscope.pickles import StandIn

STATES = (
    *(
        "model",
        "model_state",
        "model_state_dict",
        "state_dict",
        "net",
        "network",
        "params",
        "parameters",
        "weights",
        "module",
    ),
    *("gpt", "transformer_state_dict", "raw_model", "model_weights", "checkpoint", "best_model", "lm"),
)
"""Names under which the model lies; the earlier wins."""
NO_STATE = re.compile(
    r"optim|sched|scaler|(^|_)rng|loss|history|metric|^(opt.*|grads?|config|args|model_args|hparams|hyper_parameters|meta|tokenizer|vocab|stoi|itos|"
    r"chars|merges)$",
    re.IGNORECASE,
)
"""Names of parts that are no model, nor a part of one."""
AVERAGED = re.compile(r"(^|_)(ema|swa|averaged?|shadow)(_|$)", re.I)
ANYWHERE = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\.")
"""Parts of names that torch.compile, FSDP, activation checkpointing and DeepSpeed add."""
PARALLEL = re.compile(r"^(module\.)+")
"""DataParallel's prefix."""
WRAPPERS = frozenset(
    {*STATES, "model", "_model", "inner", "inner_model", "language_model", "core", "base_model", "decoder"}
)
DEEPEST, MOST, VISITS = 12, 20_000, 30_000


@dataclass(frozen=True)
class State:
    """The part of the content that is the model."""

    where: tuple[str, ...]
    """The keys that lead there."""
    tensors: Mapping[str, Tensor]
    """Under the names of the file."""
    notes: tuple[str, ...] = ()


def state_of(content: Any, largest: int) -> State | None:
    """The model in a content, with at most so many numbers; None where there is none."""
    where, notes, part = list[str](), list[str](), content
    while (step := _step(part)) is not None and len(where) < DEEPEST:
        key, note = step
        part = _entries(part)[key]
        where.append(key)
        notes += note
    tensors: dict[str, Tensor] = {}
    for name, leaf in _leaves(part):
        largest -= math.prod(numbers.shape_of(leaf) or ())
        if largest < 0 or len(tensors) >= MOST:
            raise NanoscopeError("its weights are many times larger than the file")
        tensors[name] = numbers.tensor_of(leaf, name)
    return State(tuple(where), tensors, tuple(notes)) if any(one.dim() for one in tensors.values()) else None


def without_wrappers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names that the author gave them; NanoscopeError where two come to the same."""
    names = {name: PARALLEL.sub("", ANYWHERE.sub("", name)) for name in tensors}
    while (first := _common_wrapper(list(names.values()))) is not None:
        names = {name: short.removeprefix(first) for name, short in names.items()}
    found: dict[str, Tensor] = {}
    for name, short in names.items():
        if short in found:
            raise NanoscopeError(f"two of its weights are called {short!r} without the names of wrappers")
        if not short.strip(".") or not short.isprintable() or len(short) > 300:
            raise NanoscopeError(f"the name of a weight is no text, {short[:40]!r}")
        found[short] = tensors[name]
    return found


def _common_wrapper(names: list[str]) -> str | None:
    """The first part of the names, with its point, if all have it and it is a wrapper's."""
    first, point, _ = names[0].partition(".")
    if not point or not all(name.startswith(f"{first}.") for name in names):
        return None
    doubled = first == "transformer" and all(name.startswith("transformer.transformer.") for name in names)
    return f"{first}." if doubled or first in WRAPPERS else None


def _step(part: Any) -> tuple[str, list[str]] | None:
    """The entry of a part in which the model lies, and a note; None where the part is the model itself."""
    if is_module(part):
        return None
    held = {key: one for key, one in _entries(part).items() if not NO_STATE.search(key) and not is_optimizer(one)}
    inner = {key: one for key, one in held.items() if numbers.shape_of(one) is None and _size(one)}
    flat = [key for key, one in inner.items() if _is_flat(one)]
    if not flat and any(numbers.is_matrix(one) for one in held.values()):
        return None
    chosen = [key for key in inner if not AVERAGED.search(key)] or list(inner)
    said = [f"it holds averaged weights too ({key!r}); the plain ones are read" for key in inner if key not in chosen]
    for key in (key for key in STATES if key in chosen and (key in flat or set(chosen) <= {*STATES})):
        return key, said
    several = [key for key in chosen if key in flat]
    if several:
        largest = max(several, key=lambda key: _size(inner[key]))
        more = [f"it holds several models ({', '.join(several)}); the largest is read"] if len(several) > 1 else []
        return largest, said + more
    return None


def _is_flat(value: Any) -> bool:
    """A state dict or a module, and no part of one: its names have points."""
    return (
        is_module(value) or sum("." in key and numbers.is_numbers(one, key) for key, one in _entries(value).items()) > 1
    )


def is_optimizer(value: Any) -> bool:
    """Is it the state of one of torch's optimizers?"""
    return {"state", "param_groups"} <= _entries(value).keys()


def _size(value: Any) -> int:
    """The number of numbers in the matrices of a part."""
    return sum(math.prod(numbers.shape_of(leaf) or ()) for _, leaf in _leaves(value) if numbers.is_matrix(leaf))


def _entries(value: Any) -> dict[str, Any]:
    """The entries of a dictionary, a list or an object: name -> value."""
    value = opened(value) if isinstance(value, StandIn) and not is_module(value) else value
    if isinstance(value, dict):
        return {str(key): one for key, one in value.items() if isinstance(key, (str, int))}
    return {str(index): one for index, one in enumerate(value)} if isinstance(value, (list, tuple)) else {}


def _leaves(
    part: Any, path: str = "", depth: int = DEEPEST, left: list[int] | None = None
) -> Iterator[tuple[str, Any]]:
    """The tensors in a part, and what can be made one, each with its name."""
    left = [VISITS] if left is None else left
    if is_module(part):
        yield from ((f"{path}{name}", value) for name, value in state_dict(part).items())
        return
    entries = _entries(part)
    left[0] -= 1 + len(entries) // 16
    if left[0] < 0:
        raise NanoscopeError("it has too many parts")
    for key, one in entries.items():
        if one is None or isinstance(one, (str, int, float)):
            continue
        if numbers.is_numbers(one, key):
            yield f"{path}{key}", one
        elif depth > 0 and not NO_STATE.search(key) and not is_optimizer(one):
            yield from _leaves(one, f"{path}{key}.", depth - 1, left)
