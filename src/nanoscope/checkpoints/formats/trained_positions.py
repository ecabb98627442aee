"""Which positions a model was trained on, by its position embeddings.

Training makes the embeddings of neighbouring positions similar. A model with a context of 128 that was trained on windows of 32
keeps its initial, independent rows from position 32 on, where its predictions mean nothing. For independent rows of width d the
cosine between neighbours has mean 0 and standard deviation 1 / sqrt(d).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

NOISE = 4.0
"""Standard deviations above which neighbours count as similar."""
FEWEST = 8
"""Positions that must be trained, and untrained, for a decision."""


def trained_positions(table: Float[Tensor, "pos d_model"]) -> int:
    """The number of positions that were trained, from a table of position embeddings; all of them unless it is clear that
    the last ones were not: most neighbours before are similar, and none after."""
    size, width = table.shape
    cosine = torch.nn.functional.cosine_similarity(table[1:].double(), table[:-1].double(), dim=1)
    similar = torch.nonzero(cosine > NOISE / math.sqrt(width)).flatten()
    trained = int(similar[-1]) + 2 if len(similar) else size
    if min(trained, size - trained) < FEWEST or 2 * len(similar) < trained:
        return size
    rest = cosine[trained:]
    chance = NOISE / math.sqrt(width * len(rest))
    return trained if abs(float(rest.mean())) < chance else size
