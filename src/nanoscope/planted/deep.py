"""A hand-built model of 6 layers, 4 heads and width 64, whose induction circuit is spread over the layers.

The stream has one-hot blocks in an orthonormal basis that is drawn among the vectors of mean 0: the token (`tok`), a copy of it
(`val`), the previous token (`prv`), the position (`pos`), and one coordinate of its own for each distractor.

    MLP0    copies tok into val
    L2H1    attends to the previous position and copies its val into prv
    L5H2    attends to where prv is the query's token, and adds that position's token to tok (the induction head)
    MLP5    amplifies tok, through gelu

All 22 other heads and MLP1 to MLP4 are distractors. A head attends by a random table of positions and reads one of tok, val,
prv or an earlier distractor; an MLP reads tok. Each writes a random sign for each symbol, of size `SMALL`, into its own
coordinate, which nothing but later distractors reads. So distractors differ between texts and feed one another, but reach no
logit: not even through a norm, as another sign leaves the length of the stream as it was. Up to the heads of L5 every norm is a
known scaling.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.model.arithmetic import mlp_post
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import MLP, Attention
from nanoscope.planted.basis import in_basis, with_mean_last
from nanoscope.planted.blank import blank, finished
from nanoscope.planted.induction import START
from nanoscope.seeds import seed_for
from nanoscope.text.vocabulary import Vocabulary

LAYERS, HEADS, WIDTH = 6, 4, 64
LETTERS = "abcdefgh"
CONTEXT = len(LETTERS) + 1
"""The start symbol, and two blocks of half of the symbols."""
TOK, VAL, PRV = torch.arange(3 * (len(LETTERS) + 1)).view(3, -1)
POS = torch.arange(CONTEXT) + int(PRV[-1]) + 1
OWN = range(int(POS[-1]) + 1, WIDTH - 1)
"""The coordinates of each block. The last one of all stays empty: its place in the basis is the constant vector's."""

PREVIOUS, INDUCTION = (2, 1), (5, 2)
SHARP = 60.0
"""The sharpness of all heads but the induction head: their attention is one-hot in single precision."""
SMALL, WRITE = 0.3, 4.0
"""What a distractor and the induction head write."""
PRESENT, AMPLIFY = 2.0, 0.5
"""What a neuron sees where its symbol is present; the input weight of the neurons of the last MLP."""
MLP_SLOT = HEADS
"""A part of the model is a layer and a slot: the heads, then the MLP."""
LAST = (LAYERS - 1, MLP_SLOT)


class Written(NamedTuple):
    """The coordinates that a part writes, and the size of what stands there."""

    columns: Int[Tensor, "column"]
    size: float


def planted_deep(sharpness: float) -> Checkpoint:
    """The model over eight symbols and a start symbol that each text must begin with; `sharpness` is the induction head's."""
    named = Vocabulary((*LETTERS, START), start=len(LETTERS))
    model = blank(GPTConfig(LAYERS, HEADS, WIDTH, CONTEXT, len(named), bias=False))
    model.wte.weight[torch.arange(len(named)), TOK] = 1.0
    model.wpe.weight[torch.arange(CONTEXT), POS] = 1.0
    draw = torch.Generator().manual_seed(seed_for("planted", "deep"))
    plan = _plan()
    for (layer, slot), written in plan.items():
        seen = _seen(plan, layer, slot)
        if slot == MLP_SLOT:
            _copying_neurons(_mlp(model, layer), written, _unit(seen), draw)
        else:
            _positional_head(model.blocks[layer].attn, layer, slot, written, seen, draw)
    _induction_head(model.blocks[INDUCTION[0]].attn, sharpness, _unit(_seen(plan, *INDUCTION)))
    _amplifier(_mlp(model, LAST[0]))
    turned = in_basis(model, with_mean_last(WIDTH, draw))
    return finished(turned, named, planted="deep", sharpness=sharpness, write=WRITE)


def _plan() -> dict[tuple[int, int], Written]:
    """What each part writes, in order, but for the last two of the circuit: MLP0 the copies, L2H1 the previous tokens, and each
    distractor a coordinate of its own."""
    own, circuit = iter(OWN), {(0, MLP_SLOT): Written(VAL, 1.0), PREVIOUS: Written(PRV, 1.0)}
    parts = [(layer, slot) for layer in range(LAYERS) for slot in range(HEADS + 1)]
    return {
        part: circuit[part] if part in circuit else Written(torch.tensor([next(own)]), SMALL)
        for part in parts
        if part not in (INDUCTION, LAST)
    }


def _seen(plan: dict[tuple[int, int], Written], layer: int, slot: int) -> list[Written]:
    """What stands in the stream that a part reads, but for the position."""
    before = (layer, HEADS if slot == MLP_SLOT else 0)  # heads of one layer do not see one another
    return [Written(TOK, 1.0), *(written for part, written in plan.items() if part < before)]


def _unit(seen: list[Written]) -> float:
    """What the norm divides the stream by."""
    return math.sqrt((1 + sum(written.size**2 for written in seen)) / WIDTH + GPTConfig.norm_eps)


def _mlp(model: GPT, layer: int) -> MLP:
    found = model.blocks[layer].mlp
    assert found is not None
    return found


def _positional_head(
    attn: Attention, layer: int, head: int, written: Written, seen: list[Written], draw: torch.Generator
) -> None:
    """L2H1 copies val from the position before; a distractor reads something that is there, at random positions."""
    here, unit = torch.arange(CONTEXT), _unit(seen)
    if (layer, head) == PREVIOUS:
        target, read, table = (here - 1).clamp(min=0), VAL, torch.eye(len(VAL))
    else:
        target = (torch.rand(CONTEXT, generator=draw) * (here + 1)).long()
        read, size = seen[int(torch.randint(len(seen), (), generator=draw))]
        table = written.size / size * _signs(len(read), draw)
    attn.W_Q[head][POS, target] = SHARP / attn.scale * unit
    attn.W_K[head][POS, here] = unit
    attn.W_V[head][read, torch.arange(len(read))] = unit
    attn.W_O[head][: len(read), written.columns] = table


def _copying_neurons(mlp: MLP, written: Written, unit: float, draw: torch.Generator) -> None:
    """One neuron for each symbol: it writes the symbol's own coordinate (MLP0), or a random sign."""
    table = torch.eye(len(TOK)) if len(written.columns) > 1 else written.size * _signs(len(TOK), draw)
    symbols = torch.arange(len(TOK))
    mlp.c_fc.weight[symbols, TOK] = PRESENT * unit
    mlp.c_proj.weight.T[: len(TOK), written.columns] = table / mlp_post(torch.tensor([PRESENT]), mlp)


def _signs(symbols: int, draw: torch.Generator) -> Float[Tensor, "symbol 1"]:
    """A random sign for each symbol."""
    return torch.randint(2, (symbols, 1), generator=draw) * 2.0 - 1.0


def _induction_head(attn: Attention, sharpness: float, unit: float) -> None:
    """L5H2: scores `sharpness` where the previous token is the query's token, half of it at the start; copies the token."""
    head, tokens, columns = INDUCTION[1], TOK[:-1], torch.arange(len(LETTERS))
    attn.W_Q[head][tokens, columns] = sharpness / attn.scale * unit
    attn.W_K[head][PRV[:-1], columns] = unit
    attn.W_K[head][TOK[-1], columns] = 0.5 * unit
    attn.W_V[head][tokens, columns] = unit
    attn.W_O[head][columns, tokens] = WRITE


def _amplifier(mlp: MLP) -> None:
    """MLP5: one neuron for each symbol reads and writes its coordinate of tok."""
    columns = torch.arange(len(LETTERS))
    mlp.c_fc.weight[columns, TOK[:-1]] = AMPLIFY
    mlp.c_proj.weight[TOK[:-1], columns] = 1.0
