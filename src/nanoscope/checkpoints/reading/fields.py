"""The properties that a file or a user may state: under which names, and which words mean what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import Activation, AttentionScale, NormKind, NormPosition, Positions


@dataclass(frozen=True)
class Field:
    """One property: what values it takes, what files call it, and what their words for its values mean here."""

    kind: type | tuple[str, ...]
    aliases: tuple[str, ...] = ()
    words: Mapping[Any, Any] = field(default_factory=dict)


FIELDS: Mapping[str, Field] = {
    "n_layer": Field(int, ("n_layers", "num_layers", "num_hidden_layers", "depth", "nlayers", "num_blocks", "n_blocks")),
    "n_head": Field(int, ("n_heads", "num_heads", "num_attention_heads", "nhead", "nheads", "heads", "head_count")),
    "n_embd": Field(
        int, ("d_model", "hidden_size", "embed_dim", "dim", "embedding_dim", "n_embed", "emb_dim", "d_embed", "model_dim",
              "embed_size", "embedding_size")
    ),
    "block_size": Field(
        int, ("n_ctx", "context_length", "max_seq_len", "max_position_embeddings", "n_positions", "seq_len", "max_len",
              "ctx_len", "context_size", "sequence_length", "max_seq_length", "max_sequence_length")
    ),
    "vocab_size": Field(int, ("d_vocab", "n_vocab")),
    "n_inner": Field(
        int, ("d_ff", "dim_feedforward", "intermediate_size", "d_mlp", "ffn_dim", "hidden_dim", "mlp_dim", "ff_dim", "dff",
              "ffn_hidden", "d_hidden")
    ),
    "n_kv_head": Field(int, ("n_kv_heads", "num_key_value_heads", "num_kv_heads")),
    "head_dim": Field(int, ("d_head", "head_size")),
    "norm_eps": Field(float, ("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps", "layernorm_epsilon", "ln_eps")),
    "rotary_base": Field(float, ("rope_theta", "rope_base", "rotary_emb_base")),
    "rotary_dims": Field(int, ("rotary_dim", "rotary_ndims")),
    "dropout": Field(float, ("resid_pdrop",)),
    "activation": Field(
        get_args(Activation),
        ("activation_function", "hidden_act", "act_fn", "act", "hidden_activation", "nonlinearity", "activation_fn"),
        {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh", "newgelu": "gelu_tanh",
         "gelu_approx": "gelu_tanh", "swish": "silu", "swiglu": "silu", "geglu": "gelu", "reglu": "relu",
         "relu_squared": "relu2", "squared_relu": "relu2", "relu^2": "relu2"},
    ),
    "attention_scale": Field(
        get_args(AttentionScale), ("attn_scale", "scale_attn_weights", "use_attn_scale"), {True: "d_head", False: "none"}
    ),
    "norm": Field(
        get_args(NormKind),
        ("norm_type", "normalization_type", "normalization", "layer_norm_type"),
        {"layernorm": "layer", "layer_norm": "layer", "ln": "layer", "lnpre": "layer", "rmsnorm": "rms", "rms_norm": "rms",
         "rmspre": "rms"},
    ),
    "norm_position": Field(
        get_args(NormPosition),
        ("norm_first", "pre_norm", "prenorm", "pre_ln"),
        {True: "pre", False: "post", "preln": "pre", "postln": "post", "pre-ln": "pre", "post-ln": "post"},
    ),
    "positions": Field(
        get_args(Positions),
        ("position_embedding_type", "positional_embedding_type", "pos_embedding_type", "pos_encoding", "position_encoding",
         "positional_encoding", "pos_emb_type", "pos_type"),
        {"absolute": "learned", "standard": "learned", "learnable": "learned", "sinusoidal": "sinusoid", "rope": "rotary",
         "nope": "none", "sin": "sinusoid"},
    ),
    "parallel": Field(bool, ("parallel_attn_mlp", "use_parallel_residual", "parallel_residual", "parallel_attn")),
    "final_norm": Field(bool, ("use_final_norm",)),
    "tied_head": Field(bool, ("tie_word_embeddings", "tie_weights", "weight_tying", "tied_embeddings")),
    "embedding_scale": Field(
        ("none", "sqrt_d_model"), ("scale_embedding", "scale_embeddings", "embed_scale"), {True: "sqrt_d_model", False: "none"}
    ),
    "rotary_pairs": Field(
        ("halves", "neighbours"), ("rotary_adjacent_pairs", "rope_interleaved"), {True: "neighbours", False: "halves"}
    ),
    "fused_order": Field(("parts", "heads")),
    "embedding_norm": Field(("none", "rms", "layer"), ("embed_norm", "use_embedding_norm"), {False: "none"}),
}  # fmt: skip
"""`embedding_scale`, `rotary_pairs`, `fused_order` and `embedding_norm` say how a file's weights are meant, and do not
become fields of a config: the weights are converted (or refused)."""
NAMES = {alias: name for name, one in FIELDS.items() for alias in (name, *one.aliases)}


def understood(name: str, value: Any, where: str) -> Any:
    """A value of a field in our words; NanoscopeError, which begins with `where`, if it has no such value."""
    one = FIELDS[name]
    key = value.strip().lower() if isinstance(value, str) else value
    for word, meant in one.words.items():
        if word == key and isinstance(word, bool) == isinstance(key, bool):
            return meant
    if isinstance(one.kind, tuple):
        if key in one.kind:
            return key
        raise NanoscopeError(f"{where}={value!r}, which nanoscope cannot read; it knows {', '.join(one.kind)}")
    return _number(one.kind, value, where)


def _number(kind: type, value: Any, where: str) -> Any:
    """A number or a truth value, which a command line gives as text."""
    truths = {"true": True, "yes": True, "false": False, "no": False}
    if kind is bool and isinstance(value, str):
        value = truths.get(value.lower(), value)
    try:
        read = value if kind is bool else kind(value)
    except (TypeError, ValueError):
        read = None
    if not isinstance(read, kind) or (kind is int and isinstance(value, (bool, float)) and value != read):
        raise NanoscopeError(f"{where}={value!r} is no {kind.__name__}; give one")
    return read
