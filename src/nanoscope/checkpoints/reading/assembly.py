"""From the parts of a model and all its properties to a `GPTConfig` and weights under nanoGPT's names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nanoscope.checkpoints.reading.parts import Parts
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig

DEFAULT_EPS = 1e-5
NORMS = ("norm_1", "norm_2")


def assembled(parts: Parts, values: Mapping[str, Any]) -> tuple[GPTConfig, dict[str, Tensor]]:
    """The model that these parts are under these values; NanoscopeError for one that cannot be expressed."""
    config = _config(parts, values)
    weights = {"transformer.wte.weight": parts.embed}
    if config.positions == "learned" and parts.positions is not None:
        weights["transformer.wpe.weight"] = parts.positions[: config.block_size]
    for number, layer in enumerate(parts.layers):
        for name, value in _layer(layer, parts, config, values).items():
            weights[f"transformer.h.{number}.{name}"] = value
    if config.final_norm:
        weights |= _norm("transformer.ln_f", parts.final, "norm_f", config)
    weights["lm_head.weight"] = parts.final.get("head.weight", parts.embed)
    if config.head_bias:
        weights["lm_head.bias"] = parts.final["head.bias"]
    if _scaled(values):
        weights["transformer.wte.weight"] = parts.embed * math.sqrt(parts.width)
    return config, weights


def query_rows(parts: Parts) -> int:
    """Rows of the queries' map: heads times their width."""
    first = parts.layers[0]
    if "q.weight" in first:
        return len(first["q.weight"])
    return first["out.weight"].shape[1] if "out.weight" in first else len(first["qkv.weight"]) // 3


def key_rows(parts: Parts) -> int:
    """Rows of the keys' map."""
    first = parts.layers[0]
    if "qkv.weight" in first:
        return (len(first["qkv.weight"]) - query_rows(parts)) // 2
    return len(first["k.weight"]) if "k.weight" in first else len(first["kv.weight"]) // 2


def _scaled(values: Mapping[str, Any]) -> bool:
    return values.get("embedding_scale", "none") != "none"


def _config(parts: Parts, values: Mapping[str, Any]) -> GPTConfig:
    rows, heads = query_rows(parts), values["n_head"]
    if heads < 1 or rows % heads or key_rows(parts) % (rows // heads):
        raise NanoscopeError(
            f"{heads} heads do not fit {rows} rows of queries and {key_rows(parts)} of keys; say another n_head"
        )
    d_head = rows // heads
    shared = key_rows(parts) // d_head
    inner = values.get("n_inner")
    known = ("n_layer", "n_embd", "block_size", "vocab_size", "dropout", "bias", "head_bias", "activation", "attention_scale",
             "norm", "final_norm", "attention_only", "norm_eps", "positions", "norm_position", "gated_mlp", "rotary_base",
             "rotary_dims", "parallel")  # fmt: skip
    return GPTConfig(
        **{name: values[name] for name in known if values.get(name) is not None},
        n_head=heads,
        tied_head=bool(values["tied_head"]) and not _scaled(values),
        n_inner=None if inner == 4 * parts.width else inner,
        n_kv_head=None if shared == heads else shared,
        head_dim=None if d_head * heads == parts.width else d_head,
    )


def _layer(
    layer: Mapping[str, Tensor], parts: Parts, config: GPTConfig, values: Mapping[str, Any]
) -> dict[str, Tensor]:
    """A layer under nanoGPT's names; biases that the file lacks are zeros, an output map that it lacks is the identity."""
    named = _attention(layer, parts, config, values)
    maps = {"fc": "mlp.c_fc", "up": "mlp.c_up", "down": "mlp.c_proj"}
    for role, name in maps.items():
        if f"{role}.weight" in layer:
            named |= _linear(name, layer[f"{role}.weight"], layer.get(f"{role}.bias"), config.bias)
    for role in NORMS[: 1 if config.attention_only else 2]:
        named |= _norm(f"ln_{role[-1]}", layer, role, config)
    return named


def _attention(
    layer: Mapping[str, Tensor], parts: Parts, config: GPTConfig, values: Mapping[str, Any]
) -> dict[str, Tensor]:
    kinds = (
        ("weight", "bias")
        if any(key in layer for key in ("q.bias", "k.bias", "v.bias", "qkv.bias", "kv.bias"))
        else ("weight",)
    )
    fused = {kind: torch.cat(_turned(_three(layer, kind, parts, config, values), config, values)) for kind in kinds}
    given = layer.get("out.weight")
    out = torch.eye(parts.width).to(parts.embed) if given is None else given
    return _linear("attn.c_attn", fused["weight"], fused.get("bias"), config.bias) | _linear(
        "attn.c_proj", out, layer.get("out.bias"), config.bias
    )


def _three(
    layer: Mapping[str, Tensor], kind: str, parts: Parts, config: GPTConfig, values: Mapping[str, Any]
) -> tuple[Tensor, ...]:
    """The rows of the queries, keys and values; those of a bias that is not there are zeros."""
    rows, keys = query_rows(parts), key_rows(parts)
    if f"qkv.{kind}" in layer:
        fused = layer[f"qkv.{kind}"]
        if values.get("fused_order", "parts") == "heads":
            return tuple(one.flatten(0, 1) for one in fused.unflatten(0, (config.n_head, 3, config.d_head)).unbind(1))
        return fused.split((rows, keys, keys))
    both = layer[f"kv.{kind}"].chunk(2) if f"kv.{kind}" in layer else (layer.get(f"k.{kind}"), layer.get(f"v.{kind}"))
    three = (layer.get(f"q.{kind}"), *both)
    empty = (rows, keys, keys)
    return tuple(parts.embed.new_zeros(size) if one is None else one for one, size in zip(three, empty, strict=True))


def _turned(three: tuple[Tensor, ...], config: GPTConfig, values: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Rows of queries and keys in our order of rotated pairs: dimension i with i + rotary_dims / 2, not with its neighbour."""
    if config.positions != "rotary" or values.get("rotary_pairs", "halves") == "halves":
        return three
    q, k, v = three
    size = config.rotary_dims or config.d_head
    order = torch.cat([torch.arange(0, size, 2), torch.arange(1, size, 2), torch.arange(size, config.d_head)])
    return (*(one.unflatten(0, (-1, config.d_head))[:, order].flatten(0, 1) for one in (q, k)), v)


def _linear(name: str, weight: Tensor, bias: Tensor | None, biased: bool) -> dict[str, Tensor]:
    zeros = weight.new_zeros(len(weight)) if biased and bias is None else bias
    return {f"{name}.weight": weight} | ({} if zeros is None else {f"{name}.bias": zeros})


def _norm(name: str, weights: Mapping[str, Tensor], role: str, config: GPTConfig) -> dict[str, Tensor]:
    """A norm's weights; one that has none multiplies by one."""
    if config.norm == "none":
        return {}
    weight = weights.get(f"{role}.weight", torch.ones(config.n_embd))
    named = {f"{name}.weight": weight}
    if config.bias and config.norm == "layer":
        named[f"{name}.bias"] = weights.get(f"{role}.bias", torch.zeros_like(weight))
    return named
