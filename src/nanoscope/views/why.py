"""Why a head looks from one token of the user's own text to another: the pairs of writes that make up its score.

Only differences between keys matter to the softmax, so every part is what a pair adds at this key less its mean over all keys
that the query sees. A start symbol, where the model has one, is position 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.circuits.score_parts import BIAS, ScoreParts, score_parts
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import EMBED, graph_of
from nanoscope.interventions.run import activations
from nanoscope.model.config import GPTConfig
from nanoscope.model.names import COMPONENT, head_name
from nanoscope.text.windows import room, started
from nanoscope.views.csv_rows import csv_of
from nanoscope.views.patch import LEAST

COLUMNS = ("query_write", "key_write", "part", "mean_part", "above_mean", "share")
MOSTLY = 0.5
"""A pair is the main reason if it makes up half of all that pushes the score the way it lies."""
WORDS = {EMBED: "the embedding", BIAS: "the constants"}


@dataclass(frozen=True, eq=False)
class Why:
    """One query and one key of a head."""

    symbols: tuple[str, ...] = field(repr=False)
    """What the model reads, by position."""
    attention: Float[np.ndarray, "key"] = field(repr=False)
    """Of the query, to every key that it sees."""
    scores: Float[np.ndarray, "key"] = field(repr=False)
    """Of the same keys, before the softmax, less their mean."""
    parts: ScoreParts

    @cached_property
    def above(self) -> ScoreParts:
        """The parts less their means; they sum to how far the score lies above the mean score, in nats."""
        return self.parts.relative

    @property
    def total(self) -> float:
        return self.above.score

    @property
    def shares(self) -> bool:
        """Does the score lie far enough from the mean that shares of the distance say something?"""
        return abs(self.total) >= LEAST

    @property
    def attended(self) -> tuple[int, ...]:
        """The keys, the one that gets most attention first."""
        return tuple(int(key) for key in (-self.attention).argsort(kind="stable"))


def head_of(config: GPTConfig, name: str) -> tuple[int, int]:
    """Layer and head of a name such as L4H2; NanoscopeError if it is none, or the model has no such head."""
    found = COMPONENT.fullmatch(name.strip())
    if found is None or found["head"] is None:
        raise NanoscopeError(f"{name!r} names no head; write one as L4H2, layer and head counted from 0")
    layer, head = int(found["layer"]), int(found["head"])
    if layer >= config.n_layer or head >= config.n_head:
        last = head_name(config.n_layer - 1, config.n_head - 1)
        raise NanoscopeError(f"there is no head {head_name(layer, head)}; the model has {head_name(0, 0)} to {last}")
    return layer, head


def why(checkpoint: Checkpoint, text: str, head: str, query: int | None = None, key: int | None = None) -> Why:
    """The query is by default the last token, the key the one that gets most of its attention.

    NanoscopeError for a model without a sum of writes, a head or position that there is not, and a text that does not fit.
    """
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    graph_of(model.config)  # a model whose scores have no parts is told so first
    at = head_of(model.config, head)
    tokens = _tokens(checkpoint, text)
    query = _query(len(tokens), query)
    cache = activations(model, tokens[None], keep=[("pattern", at[0]), ("scores", at[0])])
    attention, scores = (
        cache[name, at[0]][0, at[1], query, : query + 1].cpu().numpy() for name in ("pattern", "scores")
    )
    looked = int(attention.argmax()) if key is None else key
    parts = score_parts(model, tokens, *at, query, looked)
    names = vocabulary.names(model.config.vocab_size)
    return Why(tuple(names[token] for token in tokens.tolist()), attention, scores - scores.mean(), parts)


def reason(found: Why) -> str:
    """In one sentence: where the head looks, and which pair of writes makes it."""
    share, total = f"{100 * found.attention[found.parts.key]:.0f} %", found.total
    places = f"{found.parts.head} at {_place(found, found.parts.query)}", _place(found, found.parts.key)
    if not found.shares:
        return f"{places[0]} looks at {places[1]} ({share}), for no reason of its own: the score is near the mean of all keys"
    looks = f"{places[0]} looks at {places[1]} ({share})"
    if total < 0:
        looks = f"{places[0]} looks away from {places[1]} ({share})"
    into_query, into_key, part = main_pair(found)
    pair = f"{WORDS.get(into_query, into_query)} at the query with {WORDS.get(into_key, into_key)} at the key"
    pushing = found.above.parts[np.sign(found.above.parts) == np.sign(total)].sum()
    because = "mostly because of" if part / pushing >= MOSTLY else "for many reasons; the largest is"
    return f"{looks}, {because} {pair}: {part:+.2f} of the {total:+.2f} nats from the mean key"


def main_pair(found: Why) -> tuple[str, str, float]:
    """The pair that pushes the score furthest in the direction in which it lies from the mean."""
    parts = found.above.parts * np.sign(found.total)
    row, column = np.unravel_index(parts.argmax(), parts.shape)
    return found.above.names[row], found.above.names[column], float(found.above.parts[row, column])


def rows(found: Why) -> Iterator[dict[str, Any]]:
    """Every pair in order; no share where shares would mislead."""
    names, above = found.parts.names, found.above.parts
    for at in np.ndindex(above.shape):
        share = float(above[at]) / found.total if found.shares else None
        values = (found.parts.parts[at], found.parts.mean[at], above[at])
        yield dict(zip(COLUMNS, (names[at[0]], names[at[1]], *map(float, values), share), strict=True))


def as_csv(found: Why) -> str:
    """All pairs as CSV, one row each."""
    return csv_of(rows(found))


def as_json(found: Why) -> dict[str, Any]:
    """All keys and all pairs, as plain values."""
    keys = zip(found.symbols, found.attention, found.scores, strict=False)
    return {
        "head": found.parts.head,
        "symbols": list(found.symbols),
        "query": found.parts.query,
        "key": found.parts.key,
        "reason": reason(found),
        "score": found.parts.score,
        "above_mean": found.total,
        "keys": [
            {"key": at, "symbol": symbol, "attention": float(share), "above_mean": float(score)}
            for at, (symbol, share, score) in enumerate(keys)
        ],
        "pairs": list(rows(found)),
    }


def _tokens(checkpoint: Checkpoint, text: str) -> Int[Tensor, "pos"]:
    """The text as the model reads it. It is not cut to fit: that would move every position."""
    start, context = checkpoint.known_vocabulary.start, checkpoint.model.config.block_size
    tokens = checkpoint.encode(text)
    if len(tokens) > room(context, start):
        raise NanoscopeError(
            f"the text has {len(tokens)} tokens, and the model reads {room(context, start)}; give a shorter part of it, in "
            "which positions count from 0 again"
        )
    read = started(tokens, start)
    if len(read) < 2:
        raise NanoscopeError("the text must have at least two tokens, so that there is something to attend to")
    return read


def _query(size: int, query: int | None) -> int:
    """The query's position; NanoscopeError if the text has no such one, or if it sees only itself."""
    at = size - 1 if query is None else query
    if not 0 <= at < size:
        raise NanoscopeError(f"there is no position {at} in a text of {size} tokens; positions are 0 to {size - 1}")
    if at == 0:
        raise NanoscopeError("the query at position 0 sees only itself; give a later one")
    return at


def _place(found: Why, at: int) -> str:
    return f"{at} {found.symbols[at]!r}"
