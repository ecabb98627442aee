"""Read and edit activations: `run` and `gradients`, pure functions of a model, tokens and edits.

    logits, cache = run(model, tokens, keep=["z", "pattern"])
    logits, _ = run(model, tokens, edits=[zero(Site("z", 1, head=0))])
    logits, cache = run(checkpoint, "ROMEO:", keep=["pattern"])

Both pass a `Tap` to the model's forward pass; it exists only during the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, listed
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, POSITIONS, WHOLE_MODEL, Site, sites_of
from nanoscope.text.windows import started

Key = tuple[str, int | None]
Tokens = Int[Tensor, "*batch pos"] | str
"""Token ids, `[batch, pos]` or `[pos]`, or (for a checkpoint, which has a vocabulary) a text."""


class Cache(Mapping[Key, Tensor]):
    """Read-only activations of a run: `cache["z", 3]`, `cache["embed"]`, or the slice `cache[Site("z", 3, head=5)]`."""

    def __init__(self, values: Mapping[Key, Tensor]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: Key | str | Site) -> Tensor:
        if isinstance(key, Site):
            value = self[key.name, key.layer]
            return value[key.index_in(value.shape)]
        name, layer = (key, None) if isinstance(key, str) else key
        if (name, layer) not in self._values:
            raise NanoscopeError(self._missing(name, layer))
        return self._values[name, layer]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Key]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def layers(self, name: str) -> Tensor:
        """One activation of all layers, stacked: `[layer, *its axes]`."""
        kept = self._layers_of(name)
        return torch.stack([self[name, layer] for layer in kept]) if kept else self[name, 0]

    def _layers_of(self, name: str) -> list[int]:
        return sorted(layer for kept, layer in self if kept == name and layer is not None)

    def _missing(self, name: str, layer: int | None) -> str:
        """Why there is no such activation, and what to ask for instead."""
        layers = self._layers_of(name)
        if layers and layer is None:
            one, every = f'cache["{name}", {layers[-1]}]', f'cache.layers("{name}")'
            return f"{name} was kept in {_spelled(layers)}; ask for one of them, {one}, or for all, {every}"
        if name in WHOLE_MODEL and layer is not None:
            return f'{name} belongs to no layer; ask for cache["{name}"]'
        if layers:
            return f"{name} of layer {layer} was not kept; it was kept in {_spelled(layers)}"
        what = name if layer is None else f"{name} of layer {layer}"
        kept = ", ".join(sorted({kept for kept, _ in self})) or "nothing"
        return f'{what} was not kept in this run, which kept {kept}; run it with keep=["{name}"]'

    def __repr__(self) -> str:
        shapes = {name: list(value.shape) for (name, _), value in self._values.items()}
        held = (" ".join(filter(None, (name, str(at), _spelled(self._layers_of(name))))) for name, at in shapes.items())
        return f"Cache({', '.join(held)})"


class Run(NamedTuple):
    """The result of a run: logits at every position, and the requested activations."""

    logits: Tensor
    cache: Cache


class Gradients(NamedTuple):
    """A metric per example, the requested activations, and the gradient of the summed metric with respect to each."""

    metric: Tensor
    cache: Cache
    gradients: Cache


def run(
    model: GPT | Checkpoint,
    tokens: Tokens,
    edits: Sequence[AnyEdit] = (),
    keep: Iterable[str | Key | Site] = (),
) -> Run:
    """Run the model with some edits and keep some activations (with their values after the edits).

    A text needs the checkpoint; it is read after the start symbol if the model has one. Tokens `[pos]` and texts are a batch
    of one. `keep` names activations: `"z"` in every layer, `("z", 3)` in one; `keep=AXES` keeps all. Raises NanoscopeError
    for tokens or sites that the model does not have.
    """
    bare, ids = model_and_tokens(model, tokens)
    check_edits(bare, ids.shape[1], edits)
    tap = EditingTap(edits, _wanted(keep, bare.config))
    with torch.no_grad():
        logits = bare(ids.to(bare.device), tap)
    return Run(logits, Cache(tap.kept))


def model_and_tokens(model: object, tokens: object) -> tuple[GPT, Int[Tensor, "batch pos"]]:
    """The model and its input, as given to `run`. Raises NanoscopeError for what cannot be run, or is not in the vocabulary."""
    bare = model.model if isinstance(model, Checkpoint) else model
    if not isinstance(bare, GPT):
        raise NanoscopeError(
            f"a {type(model).__name__} cannot be run; give a model, or a checkpoint opened by load(path)"
        )
    if isinstance(tokens, str):
        if not isinstance(model, Checkpoint):
            raise NanoscopeError(
                "a model alone reads token ids; for a text, give the checkpoint that load(path) returned"
            )
        tokens = started(model.encode(tokens), model.known_vocabulary.start)
    if not isinstance(tokens, Tensor) or tokens.is_floating_point():
        raise NanoscopeError(
            "tokens must be a tensor of whole numbers, [batch, pos] or [pos], or (for a checkpoint) a text"
        )
    ids = tokens[None] if tokens.dim() == 1 else tokens
    if ids.dim() != 2 or ids.numel() == 0:
        raise NanoscopeError(f"tokens must be [batch, pos] or [pos] and not empty, not {list(tokens.shape)}")
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0 or highest >= bare.config.vocab_size:
        raise NanoscopeError(f"token ids must lie in 0..{bare.config.vocab_size - 1}, not {lowest}..{highest}")
    return bare, ids


def activations(model: GPT, tokens: Int[Tensor, "batch pos"], keep: Iterable[str | Key | Site]) -> Cache:
    """The activations that `run` keeps, without computing the logits, which take most of the memory where symbols are many.

    `ln_final` is not among them.
    """
    _, ids = model_and_tokens(model, tokens)
    tap = EditingTap((), _wanted(keep, model.config))
    with torch.no_grad():
        x = model.embed(ids.to(model.device), tap)
        for layer, block in enumerate(model.blocks):
            x = model.block(x, layer, block, tap)
    return Cache(tap.kept)


def residual_streams(model: GPT, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "reading batch pos d_model"]:
    """The residual stream before the first layer and after each layer."""
    cache = activations(model, tokens, keep=[("resid_pre", 0), "resid_post"])
    return torch.cat([cache["resid_pre", 0][None], cache.layers("resid_post")])


def gradients(
    model: GPT | Checkpoint,
    tokens: Tokens,
    metric: Callable[[Float[Tensor, "batch pos vocab"]], Float[Tensor, "batch"]],
    keep: Iterable[str | Key | Site],
    edits: Sequence[AnyEdit] = (),
) -> Gradients:
    """Gradient of a metric of the logits with respect to activations; arguments as those of `run`.

    The model's parameters get no gradient.
    """
    bare, ids = model_and_tokens(model, tokens)
    check_edits(bare, ids.shape[1], edits)
    tap = EditingTap(edits, _wanted(keep, bare.config), differentiable=True)
    with torch.enable_grad():
        value = metric(bare(ids.to(bare.device), tap))
        found = torch.autograd.grad(value.sum(), list(tap.kept.values()), materialize_grads=True)
    kept = {key: tensor.detach() for key, tensor in tap.kept.items()}
    return Gradients(value.detach(), Cache(kept), Cache(dict(zip(kept, found, strict=True))))


class EditingTap:
    """Applies the edits, then keeps the values with which the model continues."""

    def __init__(
        self,
        edits: Sequence[AnyEdit],
        wanted: Callable[[str, int | None], bool] = lambda name, layer: False,
        differentiable: bool = False,
    ) -> None:
        self.edits = {(e.site.name, e.site.layer): [] for e in edits}
        for edit in edits:
            self.edits[edit.site.name, edit.site.layer].append(edit)
        self.wanted, self.differentiable = wanted, differentiable
        self.kept: dict[Key, Tensor] = {}

    def wants(self, name: str, layer: int | None) -> bool:
        return (name, layer) in self.edits or self.wanted(name, layer)

    def __call__(self, name: str, layer: int | None, value: Tensor) -> Tensor:
        for edit in self.edits.get((name, layer), ()):
            value = edit.apply(value)
        if not self.wanted(name, layer):
            return value
        if self.differentiable and not value.requires_grad:
            value = value.detach().requires_grad_()
        self.kept[name, layer] = value
        return value


def _wanted(keep: Iterable[str | Key | Site], config: GPTConfig) -> Callable[[str, int | None], bool]:
    names, keys = set(), set()
    if isinstance(keep, str):
        raise NanoscopeError(
            f'keep is a list of names, such as keep=["pattern"], not {keep!r}; keep=AXES keeps everything'
        )
    for item in keep:
        if isinstance(item, Site):
            keys.add((item.name, item.layer))
        elif isinstance(item, str):
            names.add(item)
        else:
            keys.add(item)
    unknown = sorted({*names, *(name for name, _ in keys)} - set(AXES))
    if unknown:
        raise NanoscopeError(f"no activation is called {unknown[0]!r}; choose one of {', '.join(AXES)}")
    for name, layer in keys:
        Site(name, layer).check({"layer": config.n_layer})
    return lambda name, layer: name in names or (name, layer) in keys


def check_edits(model: GPT, length: int, edits: Sequence[AnyEdit]) -> None:
    """Raise NanoscopeError for what is no edit, and for a site that the model, on texts of `length` tokens, has not."""
    for edit in listed(edits):
        check_site(edit.site, model, length)


def check_site(site: Site, model: GPT, length: int) -> None:
    """Raise NanoscopeError if the model, on texts of `length` tokens, has no such site."""
    config = model.config
    inside = {"layer": config.n_layer, "head": config.n_head, "neuron": config.d_mlp}
    site.check(inside | dict.fromkeys(POSITIONS, length))
    if site.name not in sites_of(config):
        what = "MLPs" if config.attention_only else f"{site.name}: its {_without(site.name)}"
        raise NanoscopeError(f"{site}: the model has no {what}")


def _without(name: str) -> str:
    """Why a model with MLPs lacks an activation."""
    return "MLPs are not gated" if name == "pre_linear" else "attention and MLPs read the same state"


def check_swept(site: Site, model: GPT, length: int) -> None:
    """As `check_site`, for a sweep: along each axis the site has one index, counted from 0, or all."""
    check_site(site, model, length)
    for axis in POSITIONS:
        site.single(axis)


def _spelled(layers: Sequence[int]) -> str:
    """`layer 3`, `layers 0..5` or `layers 0, 2`; nothing for no layers."""
    if len(layers) > 1 and layers[-1] - layers[0] == len(layers) - 1:
        return f"layers {layers[0]}..{layers[-1]}"
    return f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))}" if layers else ""
