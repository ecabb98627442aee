"""A model whose circuit is known exactly: a hand-built two-layer induction transformer in nanoGPT's format.

The residual stream has three one-hot blocks: the token (`tok`), the position (`pos`) and the previous token (`prv`).
Coordinate c is stored as +1 at c and -1 at half + c, so every vector has mean 0 and layer norm is a known scaling.
L0H0 attends to the previous position and writes its token into `prv`; L1H0 attends to the position whose previous
token is the current token and writes that position's token into `tok`. Every other head and both MLPs are zero.

Queries of L1H0 that find no match rest on the start symbol at position 0.

Source: methods.md 9.1; the circuit is that of Elhage et al. 2021 and Olsson et al. 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.files import sha256
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.vocabulary import Vocabulary

START = "<start>"


@dataclass(frozen=True)
class Planted:
    """Strengths of the planted circuit: how sharply each head attends, and how strongly L1H0 writes."""

    sharpness_previous: float = 60.0
    sharpness_induction: float = 60.0
    write: float = 8.0
    context: int = 129


@dataclass(frozen=True)
class _Layout:
    """Where each one-hot block lies in the residual stream."""

    symbols: int
    context: int

    @property
    def half(self) -> int:
        return 2 * self.symbols + self.context

    @property
    def width(self) -> int:
        return 2 * self.half

    @property
    def d_head(self) -> int:
        return self.half

    def tok(self, which: Tensor) -> Tensor:
        return which

    def pos(self, which: Tensor) -> Tensor:
        return self.symbols + which

    def prv(self, which: Tensor) -> Tensor:
        return self.symbols + self.context + which


def planted_induction(vocabulary: Vocabulary, settings: Planted = Planted()) -> Checkpoint:
    """The induction model over the symbols of a vocabulary, plus a start symbol that each sequence must begin with."""
    symbols = len(vocabulary)
    layout = _Layout(symbols + 1, settings.context)
    config = GPTConfig(
        n_layer=2, n_head=2, n_embd=layout.width, block_size=settings.context, vocab_size=symbols + 1, bias=False
    )
    model = GPT(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if ".ln_" in name else 0.0)
    _embed(model, layout)
    _previous_token_head(model, layout, settings)
    _induction_head(model, layout, settings)
    named = Vocabulary((*vocabulary.symbols, START), start=symbols)
    told = {"planted": "induction", "sharpness_induction": settings.sharpness_induction, "write": settings.write}
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    return Checkpoint(model, named, None, told, sha256(weights))


def _embed(model: GPT, layout: _Layout) -> None:
    tokens, positions = torch.arange(layout.symbols), torch.arange(layout.context)
    for table, rows, columns in (
        (model.wte.weight, tokens, layout.tok(tokens)),
        (model.wpe.weight, positions, layout.pos(positions)),
    ):
        table[rows, columns] = 1.0
        table[rows, layout.half + columns] = -1.0


def _previous_token_head(model: GPT, layout: _Layout, settings: Planted) -> None:
    """Scores `sharpness` where the key's position is one before the query's; copies the token into `prv`."""
    scale = 1 / math.sqrt(layout.width / 4)  # undoes the norm of a vector with two blocks set
    w_q, w_k, w_v, w_o = _head_matrices(model, layer=0)
    positions, tokens = torch.arange(layout.context), torch.arange(layout.symbols)
    w_q[layout.pos(positions), positions] = settings.sharpness_previous * math.sqrt(layout.d_head) * scale
    w_k[layout.pos(positions[:-1]), positions[1:]] = scale
    w_v[layout.tok(tokens), tokens] = scale
    w_o[tokens, layout.prv(tokens)] = 1.0
    w_o[tokens, layout.half + layout.prv(tokens)] = -1.0


def _induction_head(model: GPT, layout: _Layout, settings: Planted) -> None:
    """Scores `sharpness` where the key's previous token is the query's token; copies the key's token."""
    scale = 1 / math.sqrt(layout.width / 6)  # undoes the norm of a vector with three blocks set
    w_q, w_k, w_v, w_o = _head_matrices(model, layer=1)
    tokens, start = torch.arange(layout.symbols - 1), torch.tensor(layout.symbols - 1)
    w_q[layout.tok(tokens), tokens] = settings.sharpness_induction * math.sqrt(layout.d_head) * scale
    w_k[layout.prv(tokens), tokens] = scale
    w_k[layout.tok(start), tokens] = 0.5 * scale
    w_v[layout.tok(tokens), tokens] = scale
    w_o[tokens, layout.tok(tokens)] = settings.write
    w_o[tokens, layout.half + layout.tok(tokens)] = -settings.write


def _head_matrices(model: GPT, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Views of head 0's W_Q, W_K, W_V `[d_model, d_head]` and W_O `[d_head, d_model]`, so that writing fills the model."""
    attn = model.blocks[layer].attn
    return attn.W_Q[0], attn.W_K[0], attn.W_V[0], attn.W_O[0]
