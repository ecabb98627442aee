"""Hugging Face's GPT-2: `config.json` and `model.safetensors`, which `GPT2LMHeadModel.from_pretrained(folder)` opens.

GPT-2 stores linear layers as `Conv1D`, transposed, and has biases everywhere; where the model has none, they are zero.
It divides scores by the root of d_head or not at all, and has a learned table of positions.

Source: Radford et al. 2019; the layout of the `transformers` library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig

ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "silu": "silu"}
CONVOLUTIONS = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def written(contents: Contents) -> dict[str, bytes]:
    """File name -> bytes. NanoscopeError if GPT-2 cannot express the model."""
    if reason := not_expressible(contents.config):
        raise NanoscopeError(f"GPT-2's format cannot express this model: {reason}")
    tensors = safetensors.torch.save(_weights(contents.weights, contents.config), {"format": "pt"})
    return {
        "config.json": (json.dumps(_config(contents.config), indent=2) + "\n").encode(),
        "model.safetensors": tensors,
    }


def not_expressible(config: GPTConfig) -> str:
    """Why GPT-2's format has no place for a model of this shape; "" if it has."""
    reasons = {
        "it needs layer norm": config.norm != "layer",
        "it needs a final norm": not config.final_norm,
        "its norms come before attention and MLP": config.norm_position != "pre",
        "its unembedding has no bias": config.head_bias,
        "its positions are a table": config.positions == "rotary",
        "it has MLPs, which are not gated": config.attention_only or config.gated_mlp,
        "its MLPs read what attention has written": config.parallel,
        f"it has no activation function {config.activation}": config.activation not in ACTIVATIONS,
        "it divides scores by the root of d_head": config.attention_scale == "d_model",
        "its heads are n_embd / n_head wide and share no keys": config.d_attention != config.n_embd
        or config.n_kv != config.n_head,
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)


def _config(config: GPTConfig) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_inner": config.n_inner,
        "n_positions": config.block_size,
        "n_ctx": config.block_size,
        "vocab_size": config.vocab_size,
        "activation_function": ACTIVATIONS[config.activation],
        "layer_norm_epsilon": config.norm_eps,
        "scale_attn_weights": config.attention_scale == "d_head",
        "tie_word_embeddings": config.tied_head,
        **{f"{part}_pdrop": config.dropout for part in ("resid", "embd", "attn")},
        "bos_token_id": None,
        "eos_token_id": None,
        "torch_dtype": "float32",
    }


def _weights(weights: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """The weights under GPT-2's names, with zeros for the biases that the model lacks."""
    tied = {"lm_head.weight"} if config.tied_head else set()
    found = {name: value.float() for name, value in weights.items() if name not in tied}
    sizes = {
        name: value.shape[0] for name, value in found.items() if name.startswith("transformer.h.") or "ln_f" in name
    }
    biases = {name.removesuffix("weight") + "bias": size for name, size in sizes.items() if name.endswith("weight")}
    found = {name: torch.zeros(size) for name, size in biases.items()} | found
    return {name: (value.T if name.endswith(CONVOLUTIONS) else value).contiguous() for name, value in found.items()}
