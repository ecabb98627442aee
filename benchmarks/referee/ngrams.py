"""n-gram tables by counting (Witten & Bell 1991), as docs/methods/texts_and_tasks.md defines them.

    P_n(x | h) = (c(h, x) + T(h) P_{n-1}(x | h')) / (c(h) + T(h)),   P_0 uniform over the symbols

T(h) is the number of different tokens seen after h, h' is h without its oldest token; an unseen context falls back to h'.
"""

from __future__ import annotations

import torch
from torch import Tensor

LONGEST = 7


def table_losses(counted: Tensor, tokens: Tensor, symbols: int) -> Tensor:
    """Nats of the tables n = 1 to 7 of the text `counted` at the places of windows where all have their whole context.

    `tokens` [window, place]; [n, window, place - 6]: what is predicted is the token itself, from those before it."""
    read, shape = tokens.unfold(1, LONGEST, 1), (tokens.shape[0], tokens.shape[1] - LONGEST + 1)
    chance, found = torch.full(shape, 1 / symbols, dtype=torch.float64), []
    for n in range(1, LONGEST + 1):
        place = symbols ** torch.arange(n - 1, -1, -1)
        seen, times = ((counted.unfold(0, n, 1) * place).sum(-1)).unique(return_counts=True)
        context = seen // symbols
        asked = (read[..., LONGEST - n :] * place).sum(-1)
        contexts, different = context.unique(return_counts=True)
        total = torch.zeros(len(contexts), dtype=torch.long).index_add(0, torch.searchsorted(contexts, context), times)
        seen_after, kinds = _look_up(contexts, total, asked // symbols), _look_up(contexts, different, asked // symbols)
        mixed = (_look_up(seen, times, asked) + kinds * chance) / (seen_after + kinds)
        chance = torch.where(kinds > 0, mixed, chance)
        found.append(-chance.log())
    return torch.stack(found)


def _look_up(keys: Tensor, values: Tensor, asked: Tensor) -> Tensor:
    """The value of each key that is asked for, 0 for one that is not there."""
    at = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
    return torch.where(keys[at] == asked, values[at], 0)
