"""A hand-built two-layer induction transformer in nanoGPT's format, whose circuit is known exactly.

The residual stream has three one-hot blocks: the token (`tok`), the position (`pos`) and the previous token (`prv`).
Coordinate c is stored as +1 at c and -1 at half + c, so every vector has mean 0 and layer norm is a known scaling.
L0H0 attends to the previous position and writes its token into `prv`; L1H0 attends to the position whose previous
token is the current token and writes that position's token into `tok`. Every other head and both MLPs are zero.

Queries of L1H0 without a match attend to the start symbol at position 0.

Its known answers are in docs/methods/known_answers.md; the circuit is that of Elhage et al. 2021 and Olsson et al. 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.blank import blank, finished
from nanoscope.planted.channels import ChannelLayout, copy_previous, embed
from nanoscope.text.vocabulary import Vocabulary

START = "<start>"


@dataclass(frozen=True)
class Planted:
    """How sharply each head of the hand-built circuit attends, and how strongly L1H0 writes."""

    sharpness_previous: float = 60.0
    sharpness_induction: float = 60.0
    write: float = 8.0
    context: int = 129


def planted_induction(vocabulary: Vocabulary, settings: Planted = Planted()) -> Checkpoint:
    """The induction model over the symbols of a vocabulary, plus a start symbol that each sequence must begin with."""
    named = Vocabulary((*vocabulary.symbols, START), start=len(vocabulary))
    at = ChannelLayout(named.symbols, settings.context)
    config = GPTConfig(2, 2, 2 * at.half, settings.context, len(named), bias=False)
    model = blank(config)
    embed(model, at)
    _previous_token_head(model, at, settings)
    _induction_head(model, at, settings)
    strength = {"sharpness_induction": settings.sharpness_induction, "write": settings.write}
    return finished(model, named, planted="induction", **strength)


def _previous_token_head(model: GPT, at: ChannelLayout, settings: Planted) -> None:
    """L0H0: scores `sharpness` where the key's position is one before the query's; copies the token into `prv`."""
    scale = 1 / math.sqrt(model.config.n_embd / 4)  # undoes the norm of a vector with two blocks set
    attn, positions = model.blocks[0].attn, torch.arange(at.context)
    attn.W_Q[0][at.pos, positions] = settings.sharpness_previous * math.sqrt(model.config.d_head) * scale
    attn.W_K[0][at.pos[:-1], positions[1:]] = scale
    copy_previous(model, at, scale)


def _induction_head(model: GPT, at: ChannelLayout, settings: Planted) -> None:
    """L1H0: scores `sharpness` where the key's previous token is the query's token; copies the key's token."""
    scale = 1 / math.sqrt(model.config.n_embd / 6)  # undoes the norm of a vector with three blocks set
    attn, tokens, start = model.blocks[1].attn, at.tok[:-1], at.tok[-1]
    attn.W_Q[0][tokens, tokens] = settings.sharpness_induction * math.sqrt(model.config.d_head) * scale
    attn.W_K[0][at.prv[:-1], tokens] = scale
    attn.W_K[0][start, tokens] = 0.5 * scale
    attn.W_V[0][tokens, tokens] = scale
    attn.W_O[0][tokens, tokens] = settings.write
    attn.W_O[0][tokens, at.half + tokens] = -settings.write
