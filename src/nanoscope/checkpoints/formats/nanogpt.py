"""nanoGPT's format: a pickled `ckpt.pt`, and a `meta.pkl` with the vocabulary (`vocabulary_search` finds it).

The config is inferred from the weights, then from `model_args`; anything else is assumed and listed in the notes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.formats.trained_positions import trained_positions
from nanoscope.checkpoints.formats.vocabulary_search import about, find_vocabulary
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.text.corpora import SHAKESPEARE
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.vocabulary_files import write_meta

EMBEDDING, POSITIONS = "transformer.wte.weight", "transformer.wpe.weight"
MASK_BUFFER = re.compile(r"\.attn\.(bias|masked_bias|mask)$")
LAYER = re.compile(r"transformer\.h\.(\d+)\.")
FIELDS = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")


def recognises(source: Source) -> bool:
    """Does the file hold a state dict with nanoGPT's embedding?"""
    return EMBEDDING in source.weights


def read(source: Source) -> Contents:
    """Read a `ckpt.pt`."""
    return from_weights(source, source.weights)


def from_weights(source: Source, weights: Mapping[str, Tensor], notes: tuple[str, ...] = ()) -> Contents:
    """The contents of a file, given its weights under nanoGPT's names; all else is read as nanoGPT stores it."""
    weights = {key: value for key, value in weights.items() if not _is_mask(key, value)}
    config, assumed = _config(weights, source)
    trained = trained_positions(weights[POSITIONS].float())
    if trained < config.block_size:
        assumed.append(
            f"its positions {trained} to {config.block_size - 1} were never trained (their embeddings are as at the start), "
            f"so it is read with a context of {trained}"
        )
        config, weights = replace(config, block_size=trained), weights | {POSITIONS: weights[POSITIONS][:trained]}
    vocabulary, missing = find_vocabulary(source, config.vocab_size)
    notes = (*notes, *source.notes, *assumed, *about(vocabulary, config.vocab_size))
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
        notes,
        missing,
    )


def written(contents: Contents) -> dict[str, bytes]:
    """File name -> bytes of `ckpt.pt` and, with a vocabulary, `meta.pkl`. NanoscopeError if nanoGPT lacks a feature."""
    config, plain = contents.config, GPTConfig()
    foreign = [one.name for one in fields(config) if one.name not in FIELDS]
    for name in (name for name in foreign if getattr(config, name) != getattr(plain, name)):
        raise NanoscopeError(f"nanoGPT has no {name}={getattr(config, name)!r}, so this model cannot be exported to it")
    state = {
        "model": contents.weights,
        "model_args": {name: getattr(config, name) for name in FIELDS},
        "iter_num": contents.training.get("step", 0),
        "best_val_loss": contents.training.get("val_loss"),
        "config": {**({"dataset": dataset_of(contents.corpus)} if contents.corpus else {}), **contents.training},
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    symbols = contents.vocabulary if isinstance(contents.vocabulary, Vocabulary) else None  # all that meta.pkl can hold
    meta = {} if symbols is None else {"meta.pkl": write_meta(symbols)}
    return {"ckpt.pt": buffer.getvalue(), **meta}


def dataset_of(corpus: str) -> str:
    """nanoGPT's name for a corpus, the folder of its data; tiny Shakespeare by characters has one already."""
    return "shakespeare_char" if corpus == SHAKESPEARE else corpus


def _config(weights: Mapping[str, Tensor], source: Source) -> tuple[GPTConfig, list[str]]:
    """The config, and notes on unusual or assumed properties."""
    settings = source.plain("model_args") or source.plain("config")
    for name in (EMBEDDING, POSITIONS):
        if name not in weights or weights[name].dim() != 2 or not _is_full(weights[name]):
            raise NanoscopeError(
                f"{source.path}: the weight {name} is missing or is not a matrix; the file cannot be loaded"
            )
    vocab, width = weights[EMBEDDING].shape
    config = GPTConfig(
        n_layer=len({layer[1] for key in weights if (layer := LAYER.match(key))}),
        n_head=_heads(settings, source),
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
    )
    unusual = {
        "the unembedding is not the embedding (untied head)": not config.tied_head,
        "its head has a bias": config.head_bias,
        "it has no final norm": not config.final_norm,
        "it has no MLPs": config.attention_only,
        "assumed, as in today's nanoGPT: layer norm, exact GELU, scores over the root of d_head": "bias"
        not in settings,
    }
    return config, [note for note, holds in unusual.items() if holds]


def _heads(settings: Mapping[str, Any], source: Source) -> int:
    heads = settings.get("n_head") or settings.get("n_heads")
    if isinstance(heads, int):
        return heads
    raise NanoscopeError(f"{source.path} lacks the number of heads (model_args.n_head); the file cannot be loaded")


def _inner(neurons: Tensor | None, width: int) -> int | None:
    """Number of neurons of an MLP; None if it is four times the width."""
    return None if neurons is None or neurons.shape[:1] in ((), (4 * width,)) else len(neurons)


def _is_full(matrix: Tensor) -> bool:
    return matrix.numel() > 0 and matrix.is_floating_point()


def _is_mask(key: str, value: Tensor) -> bool:
    """Is it a causal mask? Old nanoGPT and minGPT store it as a 4-dimensional buffer called `attn.bias`."""
    return bool(MASK_BUFFER.search(key)) and value.dim() != 1
