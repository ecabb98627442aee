"""Interpolated n-gram models of a corpus: the predictions that are possible from the last n-1 tokens alone.

Witten-Bell smoothing (Witten & Bell 1991): P_n(x|h) = (c(h, x) + T(h) P_{n-1}(x|h')) / (c(h) + T(h)), with T(h) the
number of different tokens seen after h, h' the shorter context, and P_0 uniform. For an unseen context, P_n = P_{n-1}.

A context is coded by its number among those that the text has, so that any vocabulary can be counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from nanoscope.text.windows import at_a_time, batches

PROBABILITIES = 2**21
"""The most probabilities of one order that are computed at a time."""


@dataclass(frozen=True)
class _Order:
    """Counts of one order, in sorted arrays: contexts with totals and numbers of distinct next tokens; (context, token)
    pairs."""

    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    pairs: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class NGrams:
    """n-gram models of orders 1..n over one vocabulary."""

    symbols: int
    orders: tuple[_Order, ...] = field(repr=False)

    @staticmethod
    def fit(tokens: Int[np.ndarray, "pos"], symbols: int, n: int) -> NGrams:
        """Count the n-grams of a text."""
        tokens = np.asarray(tokens, dtype=np.int64)
        contexts, orders = np.zeros_like(tokens), []
        for _ in range(n):
            orders.append(_count(contexts, tokens, symbols))
            contexts = _before(_after(orders[-1], contexts, tokens, symbols))
        return NGrams(symbols, tuple(orders))

    def prob(self, tokens: Int[np.ndarray, "*any pos"]) -> Float[np.ndarray, "order *any pos"]:
        """P_n(token | earlier tokens) for every order and position; early positions use the context that exists."""
        tokens = np.asarray(tokens, dtype=np.int64)
        estimate, contexts = np.full(tokens.shape, 1 / self.symbols), np.zeros_like(tokens)
        rows = []
        for order in self.orders:
            estimate = _interpolate(order, contexts, tokens, estimate, self.symbols)
            contexts = _before(_after(order, contexts, tokens, self.symbols))
            rows.append(estimate)
        return np.stack(rows)

    def distribution(
        self, tokens: Int[np.ndarray, "*any pos"], places: slice = slice(None)
    ) -> Float[np.ndarray, "order *any place vocab"]:
        """P_n(next token | tokens up to and including each position), for every order and every next token, at some places
        (default: all): a vocabulary may be too large for all at once."""
        tokens = np.asarray(tokens, dtype=np.int64)
        estimate = np.full((*tokens[..., places].shape, self.symbols), 1 / self.symbols)
        contexts = np.zeros_like(tokens)
        rows = []
        for order in self.orders:
            estimate = _interpolate_all(order, contexts[..., places], estimate, self.symbols)
            contexts = _after(order, _before(contexts) if rows else contexts, tokens, self.symbols)
            rows.append(estimate)
        return np.stack(rows)

    def likeliest(self, tokens: Int[np.ndarray, "*any pos"]) -> Int[np.ndarray, "order *any pos"]:
        """The most probable next token after each position, for every order."""
        size = tokens.shape[-1]
        parts = batches(size, at_a_time(size, tokens.size // size, self.symbols, PROBABILITIES))
        return np.concatenate([self.distribution(tokens, some).argmax(-1) for some in parts], axis=-1)


def _count(contexts: np.ndarray, tokens: np.ndarray, symbols: int) -> _Order:
    pairs, counts = np.unique((contexts * symbols + tokens)[contexts >= 0], return_counts=True)
    owners, first = np.unique(pairs // symbols, return_index=True)
    kinds = np.diff([*first, len(pairs)])
    return _Order(owners, np.add.reduceat(counts, first), kinds, pairs, counts)


def _after(order: _Order, contexts: np.ndarray, tokens: np.ndarray, symbols: int) -> np.ndarray:
    """The code of each position's context for the next order, its own token included: the number of the pair (context, token)
    among those of this order. -1 where the text has no such pair, or there are too few tokens."""
    if not len(order.pairs):
        return np.full(tokens.shape, -1, dtype=np.int64)
    where, seen = _find(order.pairs, contexts * symbols + tokens)
    return np.where(seen & (contexts >= 0), where, -1)


def _before(after: np.ndarray) -> np.ndarray:
    """The codes of the contexts that end before each position."""
    return np.concatenate([np.full_like(after[..., :1], -1), after[..., :-1]], axis=-1)


def _interpolate(
    order: _Order, contexts: np.ndarray, tokens: np.ndarray, shorter: np.ndarray, symbols: int
) -> np.ndarray:
    where, seen = _find(order.contexts, contexts)
    totals, kinds = (np.where(seen, table[where], 0) for table in (order.totals, order.kinds))
    pair, counted = _find(order.pairs, contexts * symbols + tokens)
    counts = np.where(counted, order.counts[pair], 0)
    return (counts + np.where(seen, kinds, 1) * shorter) / np.where(seen, totals + kinds, 1)


def _interpolate_all(order: _Order, contexts: np.ndarray, shorter: np.ndarray, symbols: int) -> np.ndarray:
    """`_interpolate` for every token. The pairs of a context are adjacent, so each context is looked up once."""
    where, seen = _find(order.contexts, contexts.ravel())
    totals, kinds = (np.where(seen, table[where], 0) for table in (order.totals, order.kinds))
    owner = np.repeat(np.arange(len(where)), kinds)
    begin = np.searchsorted(order.pairs, contexts.ravel() * symbols)
    pair = np.arange(len(owner)) + np.repeat(begin - (np.cumsum(kinds) - kinds), kinds)
    counts = np.zeros((len(where), symbols))
    counts[owner, order.pairs[pair] % symbols] = order.counts[pair]
    weight, norm = np.where(seen, kinds, 1)[:, None], np.where(seen, totals + kinds, 1)[:, None]
    return ((counts + weight * shorter.reshape(counts.shape)) / norm).reshape(shorter.shape)


def _find(table: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return index, table[index] == keys
