"""What validation text shows: losses, attention, the logit lens, direct contributions, confidence. One pass, window by window.

Definitions: docs/methods/heads.md (classes of attention), lenses.md (logit lens, direct logit attribution), behaviour.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from referee.gpt import GPT, Run, run

BATCH = 16
SHORTEST = 7
"""The first place that is read beside n-gram tables: the longest table, n = 7, has its whole context there."""


@dataclass(frozen=True)
class Windows:
    """Consecutive windows of a text, and for each place the token that follows."""

    tokens: Tensor
    following: Tensor

    def some(self, count: int) -> Windows:
        """At most `count` of them, evenly spaced."""
        chosen = torch.linspace(0, len(self.tokens) - 1, min(count, len(self.tokens))).round().long()
        return Windows(self.tokens[chosen], self.following[chosen])

    def batches(self) -> Iterator[Windows]:
        for start in range(0, len(self.tokens), BATCH):
            yield Windows(self.tokens[start : start + BATCH], self.following[start : start + BATCH])


def windows(text: Tensor, length: int) -> Windows:
    """All whole windows from the beginning of the text on, none overlapping."""
    count = (len(text) - 1) // length
    return Windows(text[: count * length].view(count, length), text[1 : count * length + 1].view(count, length))


def losses(logits: Tensor, following: Tensor) -> Tensor:
    """Nats at every place [window, place]."""
    return F.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="none").view(following.shape)


def previous_token(patterns: list[Tensor]) -> Tensor:
    """Attention to the token before, above uniform attention: (share - chance) / (1 - chance) [window, layer, head]."""
    back = torch.stack([pattern.diagonal(-1, -2, -1) for pattern in patterns], 1)
    chance = (1 / torch.arange(2, patterns[0].shape[-1] + 1)).mean()
    return (back.mean(-1) - chance) / (1 - chance)


def token_class(pattern: Tensor, named: Tensor) -> tuple[Tensor, Tensor]:
    """One head's attention to earlier tokens of a kind, and what is left of 1, both above chance, summed [window].

    `pattern` [window, query, key], `named` [window, key]. Only queries after such a token are read. Chance is the larger of
    uniform attention and the head's own attention over other windows, laid over this one."""
    count, length = named.shape
    keys = named[:, None, :].expand(count, length, length).tril(-1)
    asked = keys.any(-1)
    elsewhere = (pattern.sum(0) - pattern) / (count - 1)
    got, own = ((attention * keys).sum(-1) * asked for attention in (pattern, elsewhere))
    uniform = keys.sum(-1) / torch.arange(1, length + 1)
    chance = own if own.sum() > uniform.sum() else uniform
    return (got - chance).sum(1), (asked.float() - chance).sum(1)


def lens(gpt: GPT, ran: Run) -> tuple[Tensor, Tensor]:
    """KL(model, lens) and the lens's entropy, nats, after each layer and before the first [window, reading, place]."""
    model = ran.logits.log_softmax(-1)
    readings = [gpt.unembed(stream).log_softmax(-1) for stream in ran.streams]
    kl = [(model.exp() * (model - reading)).sum(-1) for reading in readings]
    entropy = [-(reading.exp() * reading).sum(-1) for reading in readings]
    return torch.stack(kl, 1), torch.stack(entropy, 1)


def direct(gpt: GPT, ran: Run, following: Tensor) -> tuple[Tensor, Tensor]:
    """What all MLPs write into the next token's logit above the mean logit, and what everything does [window, place].

    With the last norm's scale held, a write counts ((write - mean) * gain / scale) . direction."""
    unembedding = gpt.weights["lm_head.weight"]
    direction = (unembedding[following] - unembedding.mean(0)) * gpt.weight("ln_f.weight")
    end = ran.streams[-1]
    scale = (end.var(-1, unbiased=False) + gpt.eps).sqrt()

    def written(write: Tensor) -> Tensor:
        return ((write - write.mean(-1, keepdim=True)) * direction).sum(-1) / scale

    return written(torch.stack(ran.mlps).sum(0)), written(end)


def confidence(logits: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of the first choice, margin over the second, entropy [window, place, 3]; and which places are wrong."""
    log_p = logits.log_softmax(-1)
    best = log_p.topk(2, -1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    features = torch.stack([best.values[..., 0], best.values[..., 0] - best.values[..., 1], entropy], -1)
    return features, best.indices[..., 0] != following


@dataclass(frozen=True)
class Seen:
    """What one pass over windows shows, each [window, ...]; `pattern` is that of one head."""

    loss: Tensor
    previous: Tensor
    pattern: Tensor
    kl: Tensor
    entropy: Tensor
    by_mlps: Tensor
    by_all: Tensor
    features: Tensor
    wrong: Tensor


def look(gpt: GPT, text: Windows, head: tuple[int, int]) -> Seen:
    """Everything above at every window of a text, and one head's pattern."""

    def seen(batch: Windows) -> tuple[Tensor, ...]:
        ran = run(gpt, batch.tokens)
        return (
            losses(ran.logits, batch.following),
            previous_token(ran.patterns),
            ran.patterns[head[0]][:, head[1]],
            *lens(gpt, ran),
            *direct(gpt, ran, batch.following),
            *confidence(ran.logits, batch.following),
        )

    return Seen(*(torch.cat(parts) for parts in zip(*map(seen, text.batches()), strict=True)))


def settled_depth(kl: Tensor, near: float = 0.1) -> Tensor:
    """After how many layers KL(model, lens) is below `near` and stays so [window, place]."""
    return kl.shape[1] - (kl < near).flip(1).cumprod(1).sum(1)
