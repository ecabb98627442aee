"""What changes if a part is taken out, or reads another text (docs/methods/patching.md and circuits.md).

    cost of heads     loss with their outputs held at their means over other texts, per position, minus the loss
    share of an edge  metric(clean run, this edge from the corrupt run) - metric(clean), over the whole change

The task is after-name: a window that ends in a speaker's name, whose answer is the colon; in the corrupt window a piece of an
ordinary line stands in place of the name, and the wrong answer is what follows there. An edge into the logits changes one
summand of the last stream, so its effect takes no further pass.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from referee.estimate import Estimate, ratio
from referee.gpt import GPT, run
from referee.on_text import Windows, losses

LENGTH = 32
KINDS = 8
"""No name makes more than one in eight of the examples."""


def cost_without(gpt: GPT, heads: Sequence[tuple[int, int]], text: Windows, reference: Windows) -> Tensor:
    """Nats per token that the text is predicted worse without the heads [window]."""
    means = {head: torch.zeros(()) for head in heads}
    for batch in reference.batches():
        z = run(gpt, batch.tokens).z
        means = {(layer, head): means[layer, head] + z[layer][:, head].sum(0) for layer, head in heads}
    means = {head: total / len(reference.tokens) for head, total in means.items()}

    def change(batch: Windows) -> Tensor:
        kept, without = run(gpt, batch.tokens).logits, run(gpt, batch.tokens, means).logits
        return (losses(without, batch.following) - losses(kept, batch.following)).mean(1)

    return torch.cat([change(batch) for batch in text.batches()])


def after_name(text: str, count: int, dice: random.Random) -> list[tuple[str, str, str]]:
    """At most `count` times a clean window, a corrupt one, and the wrong answer."""
    lines = text.split("\n")
    places = [(number, lines[number][:-1]) for number in range(1, len(lines)) if _is_name(lines, number)]
    ordinary = [line for number, line in enumerate(lines) if line and not _is_name(lines, number)]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found, used = [], Counter()
    for number, name in dice.sample(places, len(places)):
        end = starts[number] + len(name)
        if end < LENGTH or used[name] == count // KINDS or len(found) == count:
            continue
        line = dice.choice([line for line in ordinary if len(line) > len(name)])
        at = dice.randrange(len(line) - len(name))
        wrong = line[at + len(name)]
        if wrong != ":":
            clean = text[end - LENGTH : end]
            found.append((clean, clean[: LENGTH - len(name)] + line[at : at + len(name)], wrong))
            used[name] += 1
    return found


def _is_name(lines: Sequence[str], number: int) -> bool:
    """A line after an empty line that ends in a colon."""
    return number > 0 and not lines[number - 1] and lines[number].endswith(":") and len(lines[number]) < LENGTH


def shares_of_mlps(gpt: GPT, examples: Sequence[tuple[str, str, str]]) -> Mapping[str, Estimate]:
    """The share of every edge MLP->logits, by the edge's name."""
    index = {symbol: number for number, symbol in enumerate(gpt.symbols)}
    clean, corrupt, wrong = (
        torch.tensor([[index[c] for c in text] for text in column]) for column in zip(*examples, strict=True)
    )
    own, other = run(gpt, clean), run(gpt, corrupt)

    def metric(stream: Tensor) -> Tensor:
        logits = gpt.unembed(stream[:, -1])
        return logits[:, index[":"]] - logits.gather(1, wrong)[:, 0]

    before = metric(own.streams[-1])
    whole = metric(other.streams[-1]) - before
    return {
        f"MLP{layer}->logits": ratio(metric(own.streams[-1] - own.mlps[layer] + other.mlps[layer]) - before, whole)
        for layer in range(gpt.layers)
    }
