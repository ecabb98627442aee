"""Attention scores of heads on repeated sequences, with two baselines: uniform attention and a permutation null.

For a query i in a copy after the first, with blocks of length L (Olsson et al. 2022; docs/methods/heads.md):
`induction` sums A[i, i - kL + 1] over all earlier copies (the token that followed the current one), `induction_last`
uses k = 1 only, `duplicate` sums A[i, i - kL]; `previous` is A[i, i - 1] at every i > 0.

Blocks are drawn without replacement, after random prefixes, at several L: a head that attends a fixed distance back
scores high at one L only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import activations
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks.synthetic import RepeatedSequences
from nanoscope.text.windows import batches

SCORES = ("induction", "induction_last", "duplicate", "previous")
CHUNK = 16
SHUFFLES = 64


class TargetKeys(NamedTuple):
    """For each score, the keys that count, `[score, example, query, key]`, and the queries averaged over, `[.., query]`."""

    keys: Bool[Tensor, "score example query key"]
    queries: Bool[Tensor, "score example query"]


def targets(sequences: RepeatedSequences) -> TargetKeys:
    """The attention entries that each score averages over."""
    length, size = sequences.length, sequences.tokens.shape[1]
    query, key = torch.arange(size)[:, None], torch.arange(size)[None, :]
    first = sequences.first[:, None, None]
    later = (query >= first + length) & (query < first + sequences.copies * length)
    back = query - key
    inside = later & (key >= first)
    follows = inside & (key > first) & ((back + 1) % length == 0) & (back > 0)
    same = inside & (back % length == 0) & (back > 0)
    last = inside & (back + 1 == length)
    before = ((back == 1) & (query > 0)).expand_as(later.expand(-1, -1, size))
    queries = later[..., 0]
    everywhere = (torch.arange(size) > 0).expand_as(queries)
    keys = torch.stack([part.expand(len(first), size, size) for part in (follows, last, same, before)])
    return TargetKeys(keys, torch.stack([queries, queries, queries, everywhere]))


def attention_scores(model: GPT, sequences: RepeatedSequences) -> Sweep:
    """Every score of every head, per example: `[score, layer, head, example]`, shares of attention."""
    where = targets(sequences)
    parts = []
    for chunk in batches(len(sequences.tokens), CHUNK):
        patterns = activations(model, sequences.tokens[chunk], keep=["pattern"]).layers("pattern").cpu()
        keys = where.keys[:, chunk].float()
        summed = torch.einsum("lbhqk,sbqk->slhb", patterns, keys)
        parts.append(summed / where.queries[:, chunk].sum(-1)[:, None, None, :])
    values = torch.cat(parts, dim=-1).double().numpy()
    return Sweep(values, ("score", "layer", "head", "example"), "share of attention", {"score": SCORES})


def uniform_scores(sequences: RepeatedSequences) -> Sweep:
    """The same scores of a head with uniform attention: `[score, example]`."""
    where = targets(sequences)
    share = 1 / torch.arange(1, sequences.tokens.shape[1] + 1)
    summed = (where.keys.sum(-1) * share).sum(-1) / where.queries.sum(-1)
    return Sweep(summed.double().numpy(), ("score", "example"), "share of attention", {"score": SCORES})


def above_uniform(scores: Sweep, uniform: Sweep) -> Sweep:
    """(score - uniform) / (1 - uniform), per example: 1 is all attention on the targets, 0 is uniform attention."""
    base = uniform.values[:, None, None, :]
    return Sweep((scores.values - base) / (1 - base), scores.dims, "share above uniform", scores.coords)


def permutation_test(
    model: GPT, sequences: RepeatedSequences, permutations: int, *labels: object
) -> tuple[Float[np.ndarray, "layer head"], Float[np.ndarray, "permutation layer head"]]:
    """Induction attention for the true tokens, and for tokens shuffled over each sequence's positions.

    The patterns are kept; only the keys that "follow an earlier copy of the query's token" are computed anew. The test
    shows that a head attends to those keys more than to others. At one block length a fixed distance would do the same,
    so separating tokens from positions takes several lengths. Both statistics are the mean attention to those keys above
    uniform attention, per query that has such a key.
    """
    rng = np.random.default_rng(seed_for("permutation", *labels))
    layers, heads = model.config.n_layer, model.config.n_head
    total, queries = torch.zeros(permutations + 1, layers, heads), torch.zeros(permutations + 1)
    size = sequences.tokens.shape[1]
    share = 1 / torch.arange(1, size + 1)[:, None]
    for chunk in sequences.tokens.split(CHUNK):
        patterns = activations(model, chunk, keep=["pattern"]).layers("pattern").cpu()
        for b, tokens in enumerate(chunk):
            shuffles = torch.from_numpy(rng.permuted(np.tile(tokens.numpy(), (permutations, 1)), axis=1))
            above = (patterns[:, b] - share).flatten(2)
            for rows in torch.arange(permutations + 1).split(SHUFFLES):
                keys = _following_earlier(torch.cat([tokens[None], shuffles])[rows])
                total[rows] += torch.einsum("lhe,pe->plh", above, keys.flatten(1))
                queries[rows] += (keys.sum(-1) > 0).sum(-1)
    statistic = (total / queries[:, None, None]).double().numpy()
    return statistic[0], statistic[1:]


def _following_earlier(tokens: Int[Tensor, "row pos"]) -> Float[Tensor, "row query key"]:
    """1 where the key's predecessor holds the query's token, and the key is not after the query."""
    keys = torch.zeros(len(tokens), tokens.shape[1], tokens.shape[1])
    keys[:, :, 1:] = (tokens[:, :, None] == tokens[:, None, :-1]).float()
    return keys.tril()


def mean_patterns(model: GPT, sequences: RepeatedSequences, heads: list[tuple[int, int]], example: int = 0) -> Sweep:
    """The attention pattern of some heads on one sequence: `[head, query, key]`."""
    cache = activations(model, sequences.tokens[example : example + 1], keep=["pattern"])
    values = np.stack([cache["pattern", layer][0, head].cpu().numpy() for layer, head in heads])
    names = tuple(f"L{layer}H{head}" for layer, head in heads)
    return Sweep(values, ("head", "query", "key"), "attention", {"head": names})
