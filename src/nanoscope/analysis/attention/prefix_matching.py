"""Prefix matching by several tokens: does a head look at what followed an earlier occurrence of the last k tokens?

For a query i, a key is *matched* if the k tokens that end before it are the k tokens that end at i, and it lies at least
`nearest` positions back. A *lookalike* follows the same last token, but not the same k. With attention A and i + 1 visible
keys, averaged over the queries that have such keys:

above uniform     (a - u) / (1 - u), where a = sum of A over matched keys, u = matched keys / visible keys: PM_k
above lookalikes  a - b, where b is the attention that as many lookalikes get: 0 for a head that looks for the last token
                  only, or for the kind of token that the key holds. k = 1 has no lookalikes.

Of random symbols, uniform attention is what a head without induction does. In real text it is not: a head that looks at
spaces finds the spaces that followed an earlier occurrence, too. There the lookalikes are the baseline.

Source: prefix matching of Olsson et al. 2022, for k = 1 on repeated random tokens; for k > 1 nanoscope's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import activations
from nanoscope.model.gpt import GPT
from nanoscope.text.windows import batches, lead, started

LONGEST = 5
BASELINES = ("above uniform", "above lookalikes")
CHUNK_TOKENS = 2048


@dataclass(frozen=True)
class PrefixScores:
    """Sums over the queries of each window, and their numbers; a score is the ratio of their means over windows."""

    sums: Sweep
    """`[baseline, match, layer, head, window]`, share of attention."""
    queries: Sweep
    """`[baseline, match, window]`."""


@dataclass(frozen=True)
class Keys:
    """The matched keys and the lookalikes of every query."""

    matched: Bool[Tensor, "match window query key"]
    lookalikes: Bool[Tensor, "match window query key"]


def keys_of(tokens: Int[Tensor, "window pos"], nearest: int, longest: int = LONGEST) -> Keys:
    """For k = 1, 2, ...: the keys that follow an earlier occurrence of the last k tokens, and those that only seem to."""
    same = tokens[:, :, None] == tokens[:, None, :]
    size, found = tokens.shape[1], []
    alike = torch.ones_like(same)
    for back in range(longest):
        moved = torch.zeros_like(same)
        moved[:, back:, back:] = same[:, : size - back, : size - back]
        alike = alike & moved
        follows = torch.zeros_like(same)
        follows[:, :, 1:] = alike[:, :, :-1]
        found.append(follows & torch.ones(size, size, dtype=torch.bool).tril(-nearest))
    matched = torch.stack(found)
    return Keys(matched, matched[:1] & ~matched)


def prefix_scores(
    model: GPT, tokens: Int[Tensor, "window pos"], start: int | None, nearest: int, longest: int = LONGEST
) -> PrefixScores:
    """Every head's scores on windows of tokens (without start symbols)."""
    parts = []
    for some in batches(len(tokens), max(1, CHUNK_TOKENS // tokens.shape[1])):
        cache = activations(model, started(tokens[some], start), keep=["pattern"])
        patterns = cache.layers("pattern").float().cpu()[..., lead(start) :, lead(start) :]
        parts.append(of_patterns(patterns, keys_of(tokens[some], nearest, longest), lead(start)))
    sums, queries = ([getattr(part, name).values for part in parts] for name in ("sums", "queries"))
    return _scores(np.concatenate(sums, -1), np.concatenate(queries, -1))


def of_patterns(patterns: Float[Tensor, "layer window head query key"], keys: Keys, lead: int) -> PrefixScores:
    """The scores of given patterns; `lead` is the number of keys before the text that every query sees, too."""
    weights, constant, counts = _weights(keys, lead)
    attended = torch.einsum("lwhqk,smwqk->smlhw", patterns, weights)
    return _scores((attended - constant[:, :, None, None]).numpy(), counts.numpy())


def _scores(sums: np.ndarray, queries: np.ndarray) -> PrefixScores:
    named = {"baseline": BASELINES, "match": tuple(range(1, sums.shape[1] + 1))}
    return PrefixScores(
        Sweep(sums, ("baseline", "match", "layer", "head", "window"), "share of attention", named),
        Sweep(queries, ("baseline", "match", "window"), "queries", named),
    )


def _weights(
    keys: Keys, lead: int
) -> tuple[
    Float[Tensor, "baseline match window query key"],
    Float[Tensor, "baseline match window"],
    Float[Tensor, "baseline match window"],
]:
    """The weight of each attention entry in the sums, what is subtracted from them, and the number of queries."""
    matched, lookalikes = keys.matched.float(), keys.lookalikes.float()
    count, others = matched.sum(-1), lookalikes.sum(-1)
    uniform = count / torch.arange(1 + lead, count.shape[-1] + 1 + lead)
    above_uniform = matched / (1 - uniform)[..., None]
    compared = (count > 0) & (others > 0)
    each = count / others.clamp_min(1)
    above_lookalikes = (matched - each[..., None] * lookalikes) * compared[..., None]
    constant = (uniform / (1 - uniform)).sum(-1)
    return (
        torch.stack([above_uniform, above_lookalikes]),
        torch.stack([constant, torch.zeros_like(constant)]),
        torch.stack([(count > 0).sum(-1), compared.sum(-1)]).float(),
    )
