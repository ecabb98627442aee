"""Read and edit activations: `run` and `gradients`, pure functions of a model, tokens and edits.

    logits, cache = run(model, tokens, keep=["z", "pattern"])
    logits, _ = run(model, tokens, edits=[zero(Site("z", 1, head=0))])

Both pass a `Tap` to the model's forward pass; it exists only during the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, MLP_SITES, Site

Key = tuple[str, int | None]


class Cache(Mapping[Key, Tensor]):
    """Read-only activations of a run: `cache["z", 3]`, `cache["embed"]`, or the slice `cache[Site("z", 3, head=5)]`."""

    def __init__(self, values: Mapping[Key, Tensor]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: Key | str | Site) -> Tensor:
        if isinstance(key, Site):
            return self[key.name, key.layer][key.index]
        whole = (key, None) if isinstance(key, str) else key
        if whole not in self._values:
            kept = ", ".join(sorted({name for name, _ in self._values})) or "nothing"
            raise NanoscopeError(f"{whole[0]} of layer {whole[1]} was not kept in this run, which kept {kept}")
        return self._values[whole]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def layers(self, name: str) -> Tensor:
        """One activation of all layers, stacked: `[layer, *its axes]`."""
        return torch.stack(
            [self[name, layer] for layer in sorted(at for n, at in self if n == name and at is not None)]
        )


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
    model: GPT,
    tokens: Int[Tensor, "batch pos"],
    edits: Sequence[Edit] = (),
    keep: Iterable[str | Key | Site] = (),
) -> Run:
    """Run the model with some edits and keep some activations (with their values after the edits).

    `keep` names activations: `"z"` in every layer, `("z", 3)` in one. Raises NanoscopeError for tokens or sites that
    the model does not have.
    """
    _check(model, tokens, edits)
    tap = _Tap(edits, _wanted(keep))
    with torch.no_grad():
        logits = model(tokens.to(model.device), tap)
    return Run(logits, Cache(tap.kept))


def residual_streams(model: GPT, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "reading batch pos d_model"]:
    """The residual stream before the first layer and after each layer."""
    cache = run(model, tokens, keep=[("resid_pre", 0), "resid_post"]).cache
    return torch.cat([cache["resid_pre", 0][None], cache.layers("resid_post")])


def gradients(
    model: GPT,
    tokens: Int[Tensor, "batch pos"],
    metric: Callable[[Float[Tensor, "batch pos vocab"]], Float[Tensor, "batch"]],
    keep: Iterable[str | Key | Site],
    edits: Sequence[Edit] = (),
) -> Gradients:
    """Gradient of a metric of the logits with respect to activations. The model's parameters get no gradient."""
    _check(model, tokens, edits)
    tap = _Tap(edits, _wanted(keep), differentiable=True)
    with torch.enable_grad():
        value = metric(model(tokens.to(model.device), tap))
        found = torch.autograd.grad(value.sum(), list(tap.kept.values()), materialize_grads=True)
    kept = {key: tensor.detach() for key, tensor in tap.kept.items()}
    return Gradients(value.detach(), Cache(kept), Cache(dict(zip(kept, found, strict=True))))


class _Tap:
    """Applies the edits, then keeps the values with which the model continues."""

    def __init__(self, edits: Sequence[Edit], wanted: Callable[[str, int | None], bool], differentiable: bool = False):
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


def _wanted(keep: Iterable[str | Key | Site]) -> Callable[[str, int | None], bool]:
    names, keys = set(), set()
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
    return lambda name, layer: name in names or (name, layer) in keys


def _check(model: GPT, tokens: Tensor, edits: Sequence[Edit]) -> None:
    config = model.config
    if tokens.dim() != 2 or tokens.numel() == 0:
        raise NanoscopeError(f"tokens must be [batch, pos] and not empty, not {list(tokens.shape)}")
    if int(tokens.min()) < 0 or int(tokens.max()) >= config.vocab_size:
        raise NanoscopeError(f"token ids must lie in 0..{config.vocab_size - 1}, not up to {int(tokens.max())}")
    for edit in edits:
        check_site(edit.site, model, tokens.shape[1])


def check_site(site: Site, model: GPT, length: int) -> None:
    """Raise NanoscopeError if the model, on texts of `length` tokens, has no such site."""
    config = model.config
    sizes = {"pos": length, "query": length, "key": length, "head": config.n_head, "neuron": config.d_mlp}
    limits = {"layer": config.n_layer} | sizes
    for axis, limit in limits.items():
        chosen = getattr(site, axis)
        if chosen is not None and not 0 <= chosen < limit:
            raise NanoscopeError(f"{site}: there is no {axis} {chosen}; the model has 0..{limit - 1}")
    if config.attention_only and site.name in MLP_SITES:
        raise NanoscopeError(f"{site}: the model has no MLPs")
