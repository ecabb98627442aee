"""TransformerLens's state dict, one tensor per head's weights, with the config that `HookedTransformerConfig(**cfg)` takes.

One file, `torch.save({"cfg": ..., "state_dict": ...})`. Weights are in the row convention (`q = x W_Q`): `W_Q[head, d_model,
d_head]`, `W_O[head, d_head, d_model]`, `W_in[d_model, d_mlp]`, `W_U[d_model, d_vocab]`. Nothing is folded or centred.

Source: Nanda & Bloom 2022, TransformerLens; its names of parameters and settings.
"""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor

from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.modules import per_head_writes

ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "silu": "silu"}
NORMS = {"layer": "LN", "rms": "RMS", "none": None}


def written(contents: Contents) -> dict[str, bytes]:
    """File name -> bytes. NanoscopeError if TransformerLens cannot express the model."""
    if reason := not_expressible(contents.config):
        raise NanoscopeError(f"TransformerLens cannot express this model: {reason}")
    buffer = io.BytesIO()
    torch.save({"cfg": _config(contents.config), "state_dict": _weights(contents)}, buffer)
    return {"hooked.pt": buffer.getvalue()}


def not_expressible(config: GPTConfig) -> str:
    """Why TransformerLens's format has no place for a model of this shape; "" if it has."""
    reasons = {
        "its norms come before attention and MLP": config.norm_position != "pre",
        "it has a final norm if it has norms": config.norm != "none" and not config.final_norm,
        f"it has no activation function {config.activation}": config.activation not in ACTIVATIONS,
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)


def _config(config: GPTConfig) -> dict[str, Any]:
    rotary = {"rotary_dim": config.n_rotated, "rotary_base": config.rotary_base, "rotary_adjacent_pairs": False}
    return {
        "n_layers": config.n_layer,
        "d_model": config.n_embd,
        "n_ctx": config.block_size,
        "d_head": config.d_head,
        "n_heads": config.n_head,
        "d_mlp": config.d_mlp,
        "d_vocab": config.vocab_size,
        "act_fn": ACTIVATIONS[config.activation],
        "attn_only": config.attention_only,
        "eps": config.norm_eps,
        "normalization_type": NORMS[config.norm],
        "use_attn_scale": config.attention_scale != "none",
        **({} if config.attention_scale == "none" else {"attn_scale": 1 / config.score_scale}),
        "positional_embedding_type": "rotary" if config.positions == "rotary" else "standard",
        **(rotary if config.positions == "rotary" else {}),
        "gated_mlp": config.gated_mlp,
        "parallel_attn_mlp": config.parallel,
        **({"n_key_value_heads": config.n_kv} if config.n_kv != config.n_head else {}),
    }


def _weights(contents: Contents) -> dict[str, Tensor]:
    weights, config = {name: value.float() for name, value in contents.weights.items()}, contents.config
    found = {
        "embed.W_E": weights["transformer.wte.weight"],
        **(_norm(weights, config, "transformer.ln_f", "ln_final") if config.final_norm else {}),
        "unembed.W_U": weights["lm_head.weight"].T,
        "unembed.b_U": weights.get("lm_head.bias", torch.zeros(config.vocab_size)),
    }
    if config.positions != "rotary":
        found["pos_embed.W_pos"] = weights["transformer.wpe.weight"]
    for layer in range(config.n_layer):
        found |= _layer(weights, config, f"transformer.h.{layer}.", f"blocks.{layer}.")
    return {name: value.contiguous() for name, value in found.items()}


def _layer(weights: dict[str, Tensor], config: GPTConfig, ours: str, theirs: str) -> dict[str, Tensor]:
    found = {
        **_norm(weights, config, f"{ours}ln_1", f"{theirs}ln1"),
        **_heads(weights, config, f"{ours}attn.", f"{theirs}attn."),
    }
    return found if config.attention_only else found | _mlp(weights, config, ours, theirs)


def _mlp(weights: dict[str, Tensor], config: GPTConfig, ours: str, theirs: str) -> dict[str, Tensor]:
    first, second = ("W_gate", "W_in") if config.gated_mlp else ("W_in", "")
    maps = {"c_fc": first, "c_up": second, "c_proj": "W_out"}
    found = _norm(weights, config, f"{ours}ln_2", f"{theirs}ln2")
    for name, other in ((name, other) for name, other in maps.items() if other):
        matrix = weights[f"{ours}mlp.{name}.weight"]
        bias = weights.get(f"{ours}mlp.{name}.bias", torch.zeros(len(matrix)))
        found[f"{theirs}mlp.{other}"] = matrix.T
        if other != "W_gate":
            found[f"{theirs}mlp.{other.replace('W', 'b')}"] = bias
        elif bias.any():
            raise NanoscopeError("TransformerLens cannot express this model: its gates have no biases")
    return found


def _heads(weights: dict[str, Tensor], config: GPTConfig, ours: str, theirs: str) -> dict[str, Tensor]:
    """The weights of all heads; shared ones have an underscore before their name."""
    counts = (config.n_head, config.n_kv, config.n_kv)
    c_attn, c_proj = weights[f"{ours}c_attn.weight"], weights[f"{ours}c_proj.weight"]
    bias = weights.get(f"{ours}c_attn.bias", torch.zeros(len(c_attn)))
    found = {
        f"{theirs}W_O": per_head_writes(c_proj, config.n_head),
        f"{theirs}b_O": weights.get(f"{ours}c_proj.bias", torch.zeros(config.n_embd)),
    }
    matrices, vectors = (part.unflatten(0, (-1, config.d_head)).split(counts) for part in (c_attn, bias))
    for name, count, matrix, vector in zip("QKV", counts, matrices, vectors, strict=True):
        shared = "_" * (count != config.n_head)
        found |= {f"{theirs}{shared}W_{name}": matrix.mT, f"{theirs}{shared}b_{name}": vector}
    return found


def _norm(weights: dict[str, Tensor], config: GPTConfig, ours: str, theirs: str) -> dict[str, Tensor]:
    """A norm's gain and, of a layer norm, its bias, zeros if it has none."""
    if config.norm == "none":
        return {}
    gain = weights[f"{ours}.weight"]
    bias = {f"{theirs}.b": weights.get(f"{ours}.bias", torch.zeros_like(gain))} if config.norm == "layer" else {}
    return {f"{theirs}.w": gain, **bias}
