"""nanoGPT's format: a pickled `ckpt.pt`, and a `meta.pkl` with the vocabulary (`vocabulary_search` finds it).

The config is inferred from the weights, then from `model_args`; anything else is assumed and listed in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import GPT2_CODE, Style
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.formats.vocabulary_search import about, find_vocabulary
from nanoscope.checkpoints.reading.readings import Reading
from nanoscope.checkpoints.reading.settings import said
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig

EMBEDDING, POSITIONS = "transformer.wte.weight", "transformer.wpe.weight"
MASK_BUFFER = re.compile(r"\.attn\.(bias|masked_bias|mask)$")
LAYER = re.compile(r"transformer\.h\.(\d+)\.")
FUSED = ".attn.c_attn.weight"
STYLE = Style("nanoGPT", GPT2_CODE | {"activation": "gelu"})
OLD = {"activation": ("gelu", "gelu_tanh", "relu", "silu")}
"""What files that do not say `bias`, of other programs with nanoGPT's names, may have."""
COMPUTED = ("activation", "attention_scale", "norm", "norm_eps", "norm_position", "positions")
"""Fields that no weight shows, and that nanoGPT's own files never say."""
ASSUMED = {
    "norm": "layer norm", "activation": "exact GELU", "attention_scale": "scores over the root of d_head"
}  # fmt: skip
SHAPES = (
    "n_layer", "n_embd", "block_size", "vocab_size", "bias", "tied_head", "head_bias", "final_norm", "attention_only", "n_inner"
)  # fmt: skip
FIELDS = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")


def recognises(source: Source) -> bool:
    """Does the file hold a state dict with nanoGPT's embedding and attention?"""
    return EMBEDDING in source.weights and any(name.endswith(FUSED) for name in source.weights)


def read(source: Source) -> Contents:
    """Read a `ckpt.pt`."""
    return from_weights(source, source.weights)


def from_weights(source: Source, weights: Mapping[str, Tensor], notes: tuple[str, ...] = ()) -> Contents:
    """The contents of a file, given its weights under nanoGPT's names; all else is read as nanoGPT stores it.

    Where the user says more of it, or gives a text to decide what an unusual file leaves open, its weights are read by role.
    """
    todays = "bias" in _settings(source)
    if source.said.settings or (source.said.text is not None and not todays):
        style = replace(STYLE, notes=notes) if todays else replace(STYLE, always=GPT2_CODE, answers=OLD, notes=notes)
        return foreign.contents(source, style, weights)
    weights = {key: value for key, value in weights.items() if not _is_mask(key, value)}
    stated = said(source.tables, str(source.path))
    config, assumed = _config(weights, source, stated.readings)
    config, weights, cut = foreign.without_untrained(config, weights)
    vocabulary, missing = find_vocabulary(source, config.vocab_size, source.said.text)
    training = source.plain("config")
    corpus = training.pop("dataset", None)
    step = source.top.get("iter_num")
    return Contents(
        config,
        weights,
        vocabulary,
        corpus if isinstance(corpus, str) else None,
        training | ({"step": step} if isinstance(step, int) else {}),
        source.sha256,
        (*notes, *source.notes, *assumed, *cut, *stated.notes, *about(vocabulary, config.vocab_size)),
        missing,
        _read_from(config, stated.readings, todays),
    )


def _settings(source: Source) -> dict[str, Any]:
    return source.plain("model_args") or source.plain("config")


def _config(
    weights: Mapping[str, Tensor], source: Source, stated: Mapping[str, Reading]
) -> tuple[GPTConfig, list[str]]:
    """The config, and notes on unusual or assumed properties."""
    settings = _settings(source)
    for name in (EMBEDDING, POSITIONS):
        if name not in weights or weights[name].dim() != 2 or not _is_full(weights[name]):
            raise NanoscopeError(
                f"{source.path}: the weight {name} is missing or is not a matrix; the file cannot be loaded"
            )
    vocab, width = weights[EMBEDDING].shape
    config = GPTConfig(
        n_layer=len({layer[1] for key in weights if (layer := LAYER.match(key))}),
        n_head=_heads(stated, source),
        n_embd=width,
        block_size=weights[POSITIONS].shape[0],
        vocab_size=vocab,
        dropout=dropout if isinstance(dropout := settings.get("dropout"), float) else 0.0,
        bias=any(key.endswith("attn.c_attn.bias") for key in weights),
        tied_head=torch.equal(weights.get("lm_head.weight", weights[EMBEDDING]), weights[EMBEDDING]),
        head_bias="lm_head.bias" in weights,
        final_norm=any(key.startswith("transformer.ln_f.") for key in weights),
        attention_only=not any(".mlp." in key for key in weights),
        n_inner=_inner(weights.get("transformer.h.0.mlp.c_fc.weight"), width),
        **{name: stated[name].value for name in COMPUTED if name in stated},
    )
    unsaid = [words for name, words in ASSUMED.items() if name not in stated]
    unusual = {
        "the unembedding is not the embedding (untied head)": not config.tied_head,
        "its head has a bias": config.head_bias,
        "it has no final norm": not config.final_norm,
        "it has no MLPs": config.attention_only,
        f"assumed, as in today's nanoGPT: {', '.join(unsaid)}": "bias" not in settings and bool(unsaid),
    }
    notes = [f"{stated[name].where} says {name}={stated[name].value}, unlike nanoGPT" for name in COMPUTED
             if name in stated and stated[name].value != getattr(GPTConfig(), name)]  # fmt: skip
    return config, [*(note for note, holds in unusual.items() if holds), *notes]


def _heads(stated: Mapping[str, Reading], source: Source) -> int:
    if "n_head" in stated:
        return stated["n_head"].value
    raise NanoscopeError(
        f"{source.path} lacks the number of heads (model_args.n_head); say it, as in --set n_head=6, or let a text of its "
        f"training decide; try: nanoscope convert {source.path} --data your.txt"
    )


def _read_from(config: GPTConfig, stated: Mapping[str, Reading], todays: bool) -> tuple[Reading, ...]:
    """Where each property was read: what the weights do not show and the file does not say is nanoGPT's."""
    code = "nanoGPT" if todays else "assumed"
    where = dict.fromkeys(SHAPES, "shape") | {name: one.where for name, one in stated.items() if name not in SHAPES}
    return tuple(Reading(one.name, getattr(config, one.name), where.get(one.name, code)) for one in fields(config))


def _inner(neurons: Tensor | None, width: int) -> int | None:
    """Number of neurons of an MLP; None if it is four times the width."""
    return None if neurons is None or neurons.shape[:1] in ((), (4 * width,)) else len(neurons)


def _is_full(matrix: Tensor) -> bool:
    return matrix.numel() > 0 and matrix.is_floating_point()


def _is_mask(key: str, value: Tensor) -> bool:
    """Is it a causal mask? Old nanoGPT and minGPT store it as a 4-dimensional buffer called `attn.bias`."""
    return bool(MASK_BUFFER.search(key)) and value.dim() != 1
