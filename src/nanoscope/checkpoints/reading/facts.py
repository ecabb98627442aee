"""What is known of a model before any text is read: from shapes, from the file, from the user, from its format's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nanoscope.checkpoints.reading.parts import Parts
from nanoscope.checkpoints.reading.readings import Reading
from nanoscope.errors import NanoscopeError

SHAPES = ("n_layer", "n_embd", "vocab_size", "n_inner", "n_head", "n_kv_head", "positions", "tied_head", "norm")
"""Fields that shapes show, and that nothing said may contradict."""
WIDTHS = ("hidden_dim", "d_hidden", "dim", "hidden_size", "embed_size")
"""Names that authors use for the width of the residual stream and of an MLP alike."""


def facts(
    parts: Parts,
    said: Mapping[str, Reading],
    asked: Mapping[str, Reading],
    defaults: Mapping[str, Any],
    code: str,
    where: str,
) -> dict[str, Reading]:
    """Field -> reading, for all that is known. The weights come first, then the file, then the user, then `defaults`, what
    `code`, the program that wrote such files, always does. NanoscopeError where two of them contradict each other."""
    known = from_shapes(parts)
    for name, one in said.items():
        if name in known:
            _require_agreement(known[name], one, where)
        else:
            known[name] = one
    for name, one in asked.items():
        if name in known and known[name].value != one.value and name != "block_size":
            raise NanoscopeError(
                f"{where} says {name}={known[name].value!r} ({known[name].where}), not {one.value!r}; leave --set {name} out"
            )
        known[name] = one
    for name, value in defaults.items():
        known.setdefault(name, Reading(name, value, code))
    return _positions(parts, known)


def from_shapes(parts: Parts) -> dict[str, Reading]:
    """What the weights alone show."""
    first, embed = parts.layers[0], parts.embed
    head = parts.final.get("head.weight")
    found: dict[str, Any] = {
        "n_layer": len(parts.layers),
        "n_embd": parts.width,
        "vocab_size": len(embed),
        "tied_head": head is None or torch.equal(head, embed),
        "head_bias": "head.bias" in parts.final,
        "bias": any(key.endswith(".bias") for layer in parts.layers for key in layer) or "norm_f.bias" in parts.final,
        "attention_only": "fc.weight" not in first,
        "gated_mlp": "up.weight" in first,
    }
    if "fc.weight" in first:
        found["n_inner"] = len(first["fc.weight"])
    if parts.heads is not None:
        found["n_head"] = parts.heads
    if parts.positions is not None:
        found["positions"] = "learned"
    if any(key.startswith("norm") and key.endswith(".bias") for key in first):
        found["norm"] = "layer"
    if not any(key.startswith("norm_f.") for key in parts.final) and parts.has("norm_1.weight"):
        found["final_norm"] = False
    return {name: Reading(name, value, "shape") for name, value in found.items()}


def _require_agreement(shape: Reading, said: Reading, where: str) -> None:
    """NanoscopeError if a file says what its weights contradict."""
    name, fits = shape.field, shape.value == said.value
    if name == "vocab_size":
        fits = said.value <= shape.value  # the rest is padding
    if name == "tied_head":
        fits = fits or not said.value  # a copy of the embedding may be a matrix of its own
    if name not in SHAPES or fits or said.where.split(".")[-1] in WIDTHS:
        return
    raise NanoscopeError(
        f"{where} contradicts itself: {said.where} says {name}={said.value!r}, but its weights have {shape.value!r}"
    )


def _positions(parts: Parts, known: dict[str, Reading]) -> dict[str, Reading]:
    """The length of the context: of the table, of the mask, or said; never longer than the table."""
    rows = None if parts.positions is None else len(parts.positions)
    if "block_size" not in known and (rows or parts.context):
        known["block_size"] = Reading("block_size", rows or parts.context, "shape")
    if rows is not None and known["block_size"].value > rows:
        known["block_size"] = Reading("block_size", rows, "shape")
    return known
