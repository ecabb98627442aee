"""Models of a single head whose class is known: what it attends to was written into its weights.

The residual stream holds a one-hot token and a one-hot position, there is no norm, and q_i . k_j = x_i M x_j for any matrix M
(W_Q = M, W_K = 1). So every class that depends on the query's and the key's tokens and positions can be planted exactly;
`sharpness` is the score of a target, in nats above everything else, and the share of attention that goes there follows
from it: e^s / (e^s + rest).
"""

from __future__ import annotations

import torch

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT

SETS = {"newline": "\n", "space": " ", "punctuation": ".,;:!?'\"-()[]&$", "colon": ":"}
PLANTABLE = ("previous token", "3 back", "current token", "first token", "same character", *SETS, "last space")
RECENCY = 1.0
"""How much each position nearer is worth to a head that wants the last space, in nats."""


def planted_head(cls: str, symbols: tuple[str, ...], context: int, sharpness: float = 30.0) -> GPT:
    """A one-layer, one-head model over some symbols whose only head is of a class of `PLANTABLE`."""
    if cls not in PLANTABLE:
        raise NanoscopeError(f"no head of class {cls!r} can be planted by weights; there are {', '.join(PLANTABLE)}")
    width = len(symbols) + context
    config = GPTConfig(
        n_layer=1, n_head=1, n_embd=width, block_size=context, vocab_size=len(symbols), tied_head=False,
        attention_scale="none", norm="none", final_norm=False, attention_only=True,
    )  # fmt: skip
    model = GPT(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.wte.weight[:, : len(symbols)] = torch.eye(len(symbols))
    model.wpe.weight[:, len(symbols) :] = torch.eye(context)
    attn = model.blocks[0].attn
    attn.W_Q[0].copy_(_scores(cls, symbols, context, sharpness))
    attn.W_K[0].copy_(torch.eye(width))
    return model


def _scores(cls: str, symbols: tuple[str, ...], context: int, sharpness: float) -> torch.Tensor:
    """M: the score of every (query, key) pair of one-hot tokens and positions."""
    m = torch.zeros(len(symbols) + context, len(symbols) + context)
    tokens, positions = m[: len(symbols), : len(symbols)], m[len(symbols) :, len(symbols) :]
    to_tokens = m[len(symbols) :, : len(symbols)]
    back = {"previous token": 1, "3 back": 3, "current token": 0}
    if cls in back:
        positions.diagonal(-back[cls]).fill_(sharpness)
    elif cls == "first token":
        positions[:, 0] = sharpness
    elif cls == "same character":
        tokens.diagonal().fill_(sharpness)
        positions.diagonal().fill_(-2 * sharpness)
    elif cls == "last space":
        to_tokens[:, [symbol in " \n" for symbol in symbols]] = sharpness
        positions += RECENCY * torch.arange(context)
        positions.diagonal().sub_(2 * sharpness)
    else:
        to_tokens[:, [symbol in SETS[cls] for symbol in symbols]] = sharpness
        positions.diagonal().sub_(2 * sharpness)
    return m
