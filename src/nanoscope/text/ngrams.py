"""Interpolated n-gram models of a corpus: the predictions that are possible from the last n-1 tokens alone.

Witten-Bell smoothing (Witten & Bell 1991): P_n(x|h) = (c(h, x) + T(h) P_{n-1}(x|h')) / (c(h) + T(h)), with T(h) the
number of different tokens seen after h, h' the shorter context, and P_0 uniform. For an unseen context, P_n = P_{n-1}.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from nanoscope.errors import NanoscopeError

LARGEST_CODE = 2**63


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
    def largest_order(symbols: int, most: int) -> int:
        """The largest order, at most `most`, whose codes fit in 63 bits."""
        return max(n for n in range(1, most + 1) if symbols**n < LARGEST_CODE)

    @staticmethod
    def fit(tokens: Int[np.ndarray, "pos"], symbols: int, n: int) -> NGrams:
        """Count the n-grams of a text. Raises NanoscopeError unless `symbols ** n` fits in 63 bits (65 symbols: n <= 10)."""
        if symbols**n >= LARGEST_CODE:
            raise NanoscopeError(f"n-grams of order {n} over {symbols} symbols are too many; use a smaller n")
        tokens = np.asarray(tokens, dtype=np.int64)
        return NGrams(symbols, tuple(_count(tokens, symbols, order) for order in range(1, n + 1)))

    def prob(self, tokens: Int[np.ndarray, "*any pos"]) -> Float[np.ndarray, "order *any pos"]:
        """P_n(token | earlier tokens) for every order and position; early positions use the context that exists."""
        tokens = np.asarray(tokens, dtype=np.int64)
        estimate = np.full(tokens.shape, 1 / self.symbols)
        rows = []
        for n, order in enumerate(self.orders, start=1):
            contexts = _contexts(tokens, self.symbols, n - 1)
            known = contexts >= 0
            better = _interpolate(order, contexts, tokens, estimate, self.symbols)
            estimate = np.where(known, better, estimate)
            rows.append(estimate)
        return np.stack(rows)

    def distribution(self, tokens: Int[np.ndarray, "*any pos"]) -> Float[np.ndarray, "order *any pos vocab"]:
        """P_n(next token | tokens up to and including each position), for every order and every next token."""
        tokens = np.asarray(tokens, dtype=np.int64)
        estimate = np.full((*tokens.shape, self.symbols), 1 / self.symbols)
        rows = []
        for n, order in enumerate(self.orders, start=1):
            contexts = _contexts_after(tokens, self.symbols, n - 1)
            estimate = np.where(
                contexts[..., None] >= 0, _interpolate_all(order, contexts, estimate, self.symbols), estimate
            )
            rows.append(estimate)
        return np.stack(rows)


def _count(tokens: np.ndarray, symbols: int, n: int) -> _Order:
    contexts = _contexts(tokens, symbols, n - 1)
    pairs, counts = np.unique((contexts * symbols + tokens)[contexts >= 0], return_counts=True)
    owners, first = np.unique(pairs // symbols, return_index=True)
    kinds = np.diff([*first, len(pairs)])
    return _Order(owners, np.add.reduceat(counts, first), kinds, pairs, counts)


def _contexts(tokens: np.ndarray, symbols: int, length: int) -> np.ndarray:
    """The `length` tokens before each position, coded as one number; -1 where there are fewer."""
    shifted = np.full(tokens.shape, -1, dtype=np.int64)
    after = _contexts_after(tokens, symbols, length)
    shifted[..., 1:] = after[..., :-1]
    if length == 0:
        shifted[...] = 0
    return shifted


def _contexts_after(tokens: np.ndarray, symbols: int, length: int) -> np.ndarray:
    """The `length` tokens up to and including each position, coded as one number; -1 where there are fewer."""
    code = np.zeros(tokens.shape, dtype=np.int64)
    for back in range(length - 1, -1, -1):
        code[..., back:] = code[..., back:] * symbols + tokens[..., : tokens.shape[-1] - back]
    code[..., : max(0, length - 1)] = -1
    return code


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
