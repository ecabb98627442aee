"""What the model does with random characters that come twice (docs/methods/texts_and_tasks.md and heads.md).

[random prefix][c][c]...    c: characters of which none comes twice, so that only the earlier copy tells what follows
induction score             sum over earlier copies k of attention from i to i - kL + 1, above uniform
"""

from __future__ import annotations

import torch
from torch import Tensor

from referee.gpt import GPT, run

PREFIX_ROOM = 6
LENGTHS = (17, 23, 29, 37, 41, 53)
READ_LENGTH = 17
"""The block length at which copying is read: the least one, with the most room before it."""
LEAST = 500
"""A character takes part if it comes so often in the training text."""


def alphabet(train: Tensor, symbols: int) -> Tensor:
    return (train.bincount(minlength=symbols) >= LEAST).nonzero().flatten()


def drawn(symbols: Tensor, count: int, length: int, dice: torch.Generator) -> Tensor:
    """Blocks of different symbols [block, place]."""
    return torch.stack([symbols[torch.randperm(len(symbols), generator=dice)[:length]] for _ in range(count)])


def prefixes(symbols: Tensor, count: int, length: int, dice: torch.Generator) -> Tensor:
    return symbols[torch.randint(len(symbols), (count, length), generator=dice)]


def induction_scores(gpt: GPT, symbols: Tensor, length: int, each: int, dice: torch.Generator) -> Tensor:
    """The induction score of every head at one block length, `each` sequences behind every prefix [sequence, layer, head]."""
    copies = (gpt.context - PREFIX_ROOM) // length
    found = []
    for before in range(PREFIX_ROOM + 1):
        blocks = drawn(symbols, each, length, dice).repeat(1, copies)
        tokens = torch.cat([prefixes(symbols, each, before, dice), blocks], 1)
        patterns = torch.stack(run(gpt, tokens).patterns, 1)
        query = torch.arange(before + length, tokens.shape[1])
        earlier = (query - before) // length
        got = torch.zeros(*patterns.shape[:3], len(query))
        for back in range(1, copies):
            reach = query[earlier >= back]
            got[..., earlier >= back] += patterns[..., reach, reach - back * length + 1]
        chance = (earlier / (query + 1)).mean()
        found.append((got.mean(-1) - chance) / (1 - chance))
    return torch.cat(found)


def copied(gpt: GPT, symbols: Tensor, count: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Share of the second copy that is the model's first choice, after the same block and after another [sequence].

    The other block has another symbol at every place; prefix and second copy are the same. The copy's first symbol is not
    read: nothing foretells it."""
    block = drawn(symbols, count, READ_LENGTH, dice)
    other = drawn(symbols, count, READ_LENGTH, dice)
    while (clash := (other == block).any(1)).any():
        other[clash] = drawn(symbols, int(clash.sum()), READ_LENGTH, dice)
    before = prefixes(symbols, count, PREFIX_ROOM, dice)

    def right(first: Tensor) -> Tensor:
        chosen = run(gpt, torch.cat([before, first, block], 1)).logits.argmax(-1)
        return (chosen[:, -READ_LENGTH:-1] == block[:, 1:]).double().mean(1)

    return right(block), right(other)
