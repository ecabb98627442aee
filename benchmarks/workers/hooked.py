"""What the two TransformerLens workers share: weights under its property names, and a sweep of hooked runs.

Its own docs patch this way, and its `patching.get_act_patch_*` are this loop: `run_with_cache` on the clean texts, then
`run_with_hooks` on the corrupt ones for each cell, with a hook that writes into the activation in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from protocol import Case, Cell, Measured, Run, Shape, Subject, one_by_one


def weights(shape: Shape, subject: Subject) -> dict[str, Tensor]:
    """The weights in TransformerLens's property format, with zeros for the biases that the model has not."""
    given, heads, width = subject.weights, shape.n_head, shape.n_embd
    zero = {size: torch.zeros(size * width) for size in (1, 3, 4)}

    def bias(name: str, size: int) -> Tensor:
        return given.get(f"{name}.bias", zero[size])

    wte = given["transformer.wte.weight"]
    found = {"embed.W_E": wte, "pos_embed.W_pos": given["transformer.wpe.weight"]}
    found |= {"unembed.W_U": wte.T, "unembed.b_U": torch.zeros(shape.vocab_size)}
    found |= {"ln_final.w": given["transformer.ln_f.weight"], "ln_final.b": bias("transformer.ln_f", 1)}
    for layer in range(shape.n_layer):
        old, new = f"transformer.h.{layer}", f"blocks.{layer}"
        for norm in ("1", "2"):
            found[f"{new}.ln{norm}.w"] = given[f"{old}.ln_{norm}.weight"]
            found[f"{new}.ln{norm}.b"] = bias(f"{old}.ln_{norm}", 1)
        parts = given[f"{old}.attn.c_attn.weight"].chunk(3), bias(f"{old}.attn.c_attn", 3).chunk(3)
        for letter, weight, offset in zip("QKV", *parts, strict=True):
            found[f"{new}.attn.W_{letter}"] = weight.unflatten(0, (heads, -1)).transpose(1, 2)
            found[f"{new}.attn.b_{letter}"] = offset.unflatten(0, (heads, -1))
        found[f"{new}.attn.W_O"] = given[f"{old}.attn.c_proj.weight"].T.unflatten(0, (heads, -1))
        found[f"{new}.attn.b_O"] = bias(f"{old}.attn.c_proj", 1)
        for letter, theirs, size in (("in", "c_fc", 4), ("out", "c_proj", 1)):
            found[f"{new}.mlp.W_{letter}"] = given[f"{old}.mlp.{theirs}.weight"].T
            found[f"{new}.mlp.b_{letter}"] = bias(f"{old}.mlp.{theirs}", size)
    return {name: value.contiguous() for name, value in found.items()}


def hook_name(kind: str, layer: int) -> str:
    """Where a kind of cell acts."""
    return f"blocks.{layer}.hook_resid_pre" if kind == "resid" else f"blocks.{layer}.attn.hook_z"


def index(kind: str, cell: Cell) -> tuple[int | slice, ...]:
    """What a cell patches in its activation, `[example, pos, d_model]` or `[example, pos, head, d_head]`."""
    whole = slice(None)
    if kind == "resid":
        return whole, cell[1]
    return (whole, whole, cell[1]) if kind == "head" else (whole, cell[2], cell[1])


def sweep(model: Any, case: Case, subject: Subject) -> Run:
    """One `run_with_hooks` per cell; the clean run keeps only what is patched from."""
    names = {hook_name(case.kind, layer) for layer in range(case.shape.n_layer)}

    @torch.inference_mode()
    def run(cells: Sequence[Cell]) -> Measured:
        _, cache = model.run_with_cache(subject.clean, names_filter=lambda name: name in names)

        def patched(cell: Cell) -> Tensor:
            name = hook_name(case.kind, cell[0])
            hook = _hook(index(case.kind, cell), cache[name])
            logits = model.run_with_hooks(subject.corrupt, fwd_hooks=[(name, hook)], return_type="logits")
            return subject.metric(logits[:, -1])

        return one_by_one(cells, patched)

    return run


def _hook(at: tuple[int | slice, ...], clean: Tensor) -> Callable[..., Tensor]:
    def put(value: Tensor, hook: object) -> Tensor:
        value[at] = clean[at]
        return value

    return put
