"""Hand-built models with a single head whose class is known.

The residual stream holds a one-hot token and a one-hot position. There is no norm, and q_i . k_j = x_i M x_j for any matrix
M (W_Q = M, W_K = 1). So every class that depends only on the tokens and positions of query and key can be built exactly.
`sharpness` is how far the score of a target lies above all others, in nats; the target's share of attention is then
e^s / (e^s + rest).
"""

from __future__ import annotations

import torch

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.blank import blank
from nanoscope.planted.channels import ONE_LAYER, ChannelLayout

PLANTABLE = tuple(ONE_LAYER)


def planted_head(name: str, symbols: tuple[str, ...], context: int, sharpness: float = 30.0) -> GPT:
    """A one-layer, one-head model over some symbols, whose head is of class `name`, one of `PLANTABLE`."""
    if name not in PLANTABLE:
        raise NanoscopeError(
            f"no head of class {name!r} can be built in one layer; choose one of {', '.join(PLANTABLE)}"
        )
    width = len(symbols) + context
    shape = {"n_layer": 1, "n_head": 1, "n_embd": width, "block_size": context, "vocab_size": len(symbols)}
    bare = {"tied_head": False, "attention_scale": "none", "norm": "none", "final_norm": False, "attention_only": True}
    model = blank(GPTConfig(**shape, **bare))
    model.wte.weight[:, : len(symbols)] = torch.eye(len(symbols))
    model.wpe.weight[:, len(symbols) :] = torch.eye(context)
    attn = model.blocks[0].attn
    for channel in ONE_LAYER[name](ChannelLayout(symbols, context)):
        attn.W_Q[0][channel.query[:, None], channel.key] += sharpness * torch.as_tensor(channel.weight)
    attn.W_K[0].copy_(torch.eye(width))
    return model
