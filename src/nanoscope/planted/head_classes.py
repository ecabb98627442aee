"""A hand-built model with one head of each of eleven classes, in nanoGPT's shape: the known answer for experiment 02.

It has two attention-only layers with layer norm and a tied head, built like `planted.induction`: L0H0 writes the previous
token into the residual stream. So heads of the second layer can use the token before a key: an induction head, and one
that attends to a word's first character. What each class attends to is in `planted.channels`. Source: nanoscope's own,
see docs/methods/known_answers.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.blank import blank, finished
from nanoscope.planted.channels import CHANNELS, CHARACTERS, LONGEST, Channel, ChannelLayout, copy_previous, embed
from nanoscope.text.vocabulary import Vocabulary

PLACED: Mapping[tuple[int, int], str | None] = {
    (0, 0): "previous token",
    (0, 1): "3 back",
    (0, 2): "current token",
    (0, 3): "first token",
    (0, 4): "same character",
    (0, 5): "newline",
    (1, 0): "induction",
    (1, 1): "last space",
    (1, 2): "word start",
    (1, 3): "space",
    (1, 4): "punctuation",
    (1, 5): None,
}
"""The class of every head. The last head attends uniformly and belongs to no class."""

NEEDED = ("newline", "space", "punctuation")


def planted_taxonomy(vocabulary: Vocabulary, context: int = 48, sharpness: float = 40.0) -> Checkpoint:
    """The model over the symbols of a vocabulary. Only the previous-token head writes anything.

    Raises NanoscopeError for a context outside 8 to 96, or a vocabulary without newline, space or punctuation.
    """
    if not 8 <= context <= LONGEST or not all(set(CHARACTERS[name]) & set(vocabulary.symbols) for name in NEEDED):
        raise NanoscopeError(
            f"heads of all classes can be planted in contexts of 8 to {LONGEST} characters only, over symbols that include "
            "newline, space and punctuation"
        )
    at = ChannelLayout(vocabulary.symbols, context)
    model = _blank(at)
    embed(model, at)
    for (layer, head), name in PLACED.items():
        _plant(model, layer, head, CHANNELS[name](at) if name else [], sharpness)
    copy_previous(model, at, math.sqrt(4 / model.config.n_embd))
    return finished(model, vocabulary, planted="taxonomy", sharpness=sharpness)


def _blank(at: ChannelLayout) -> GPT:
    """A sufficiently wide model with norm gains of 1 and all other weights 0."""
    heads, symbols = 1 + max(head for _, head in PLACED), len(at.symbols)
    width = heads * max(math.ceil(2 * at.half / heads), symbols + at.context)
    return blank(GPTConfig(2, heads, width, at.context, symbols, attention_only=True))


def _plant(model: GPT, layer: int, head: int, channels: list[Channel], sharpness: float) -> None:
    """Write a head's queries and keys, each channel into its own coordinate.

    `unit` undoes the norm: two blocks of the stream are set in the first layer, three in the second.
    """
    attn = model.blocks[layer].attn
    unit = math.sqrt((4, 6)[layer] / model.config.n_embd)
    for number, channel in enumerate(channels):
        attn.W_Q[head][channel.query, number] = unit * (sharpness / attn.scale)
        attn.W_K[head][channel.key, number] = torch.as_tensor(channel.weight * unit)
