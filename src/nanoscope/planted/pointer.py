"""A hand-built model that does induction by pointer arithmetic: its second head composes through queries, not keys.

The residual stream holds the token (`tok`), the position (`pos`) and a pointer (`ptr`), all one-hot. The duplicate-token head
L0H0 attends to the previous occurrence of the query's token and writes that position into `ptr`. The query of L1H0 is the
position after it; the head copies the token that it finds there. Without a match both attend to the start symbol, and nothing
is written. All other weights are 0.

There are no norms: a head that is not saturated writes a mixture, whose length depends on the text, and a norm would let every
reader see that. Source: the second of the two mechanisms in Elhage et al. 2021 (pointer arithmetic with Q-composition).
"""

from __future__ import annotations

import torch

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.model.config import GPTConfig
from nanoscope.model.modules import Attention
from nanoscope.planted.blank import blank, finished
from nanoscope.planted.induction import START
from nanoscope.text.vocabulary import Vocabulary

WRITE = 8.0


def planted_pointer(vocabulary: Vocabulary, context: int, sharpness: float) -> Checkpoint:
    """The model over the symbols of a vocabulary, plus a start symbol that each sequence must begin with."""
    named = Vocabulary((*vocabulary.symbols, START), start=len(vocabulary))
    half = len(named) + context  # the width of a head: a column for each symbol and each position
    model = blank(GPTConfig(2, 2, 2 * half, context, len(named), bias=False, norm="none", final_norm=False))
    tok, pos = torch.arange(len(named)), len(named) + torch.arange(context)
    model.wte.weight[tok, tok] = 1.0
    model.wpe.weight[pos - len(named), pos] = 1.0
    duplicate, pointed = (block.attn for block in model.blocks)
    _duplicate_token_head(duplicate, tok, pos, sharpness)
    _pointed_head(pointed, tok, pos, sharpness)
    return finished(model, named, planted="pointer", sharpness=sharpness, write=WRITE)


def _duplicate_token_head(attn: Attention, tok: torch.Tensor, pos: torch.Tensor, sharpness: float) -> None:
    """L0H0: scores `sharpness` for the same token elsewhere, half of it for the start, 0 for itself; copies the position."""
    symbols, start, own = tok[:-1], tok[-1], len(tok) + torch.arange(len(pos))
    attn.W_Q[0][symbols, symbols] = sharpness / attn.scale
    attn.W_K[0][symbols, symbols] = 1.0
    attn.W_K[0][start, symbols] = 0.5
    attn.W_Q[0][pos, own] = -sharpness / attn.scale
    attn.W_K[0][pos, own] = 1.0
    places = torch.arange(1, len(pos))  # none for the start, so that nothing points to what follows it
    attn.W_V[0][pos[1:], places] = 1.0
    attn.W_O[0][places, pos[-1] + 1 + places] = 1.0


def _pointed_head(attn: Attention, tok: torch.Tensor, pos: torch.Tensor, sharpness: float) -> None:
    """L1H0: scores `sharpness` for the position after the pointer, half of it for the start; copies the token."""
    pointer, symbols = pos[-1] + 1 + torch.arange(len(pos)), tok[:-1]
    attn.W_Q[0][pointer[1:-1], torch.arange(2, len(pos))] = sharpness / attn.scale
    attn.W_K[0][pos[2:], torch.arange(2, len(pos))] = 1.0
    attn.W_Q[0][pos, 0] = 0.5 * sharpness / attn.scale
    attn.W_K[0][pos[0], 0] = 1.0
    attn.W_V[0][symbols, symbols] = 1.0
    attn.W_O[0][symbols, symbols] = WRITE
