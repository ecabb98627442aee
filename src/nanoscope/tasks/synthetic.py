"""Tasks of random symbols: repeated sequences (Olsson et al. 2022) and their controls, and suffix lookups.

Controls are numbered as in docs/methods/texts_and_tasks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for
from nanoscope.tasks.task import Task, long_tensor
from nanoscope.text.windows import lead, room, start_symbol

LENGTHS = (17, 23, 29, 37, 41, 53)

SHORT_LENGTHS = (5, 7, 11)

MIN_COUNT = 500

PREFIX_ROOM = 6

FEWEST_SYMBOLS = 8


@dataclass(frozen=True)
class RepeatedSequences:
    """Sequences `[example, pos]` of one random block, copied `copies` times after a random prefix.

    The first copy in example i begins at `first[i]`. Every copy has `length` different tokens.
    """

    tokens: Tensor
    first: Tensor
    length: int
    copies: int

    def __repr__(self) -> str:
        examples, size = self.tokens.shape
        return f"RepeatedSequences({examples} examples of {size} tokens: {self.copies} copies of {self.length} each)"


def alphabet(tokens: Int[Tensor, "pos"], symbols: int, minimum: int = MIN_COUNT) -> Int[Tensor, "symbol"]:
    """The tokens that occur at least `minimum` times in a text: the symbols that a model could learn.

    In a short text the minimum is one in 2,000 tokens, at least 1. Raises NanoscopeError for fewer than eight such tokens.
    """
    enough = max(1, min(minimum, len(tokens) // 2000))
    found = torch.nonzero(torch.bincount(tokens, minlength=symbols)[:symbols] >= enough).flatten()
    if len(found) < FEWEST_SYMBOLS:
        raise NanoscopeError(
            f"only {len(found)} symbols occur often enough in the text; use one with at least {FEWEST_SYMBOLS}"
        )
    return found


def lengths_that_fit(context: int, symbols: int) -> tuple[int, ...]:
    """Block lengths for which two copies and a random prefix fit the context, with symbols drawn without replacement.

    At least two if possible, since a head that attends a fixed distance back would be perfect at one length.
    """
    fitting = [length for length in LENGTHS if 2 * length + PREFIX_ROOM <= context and length < symbols]
    short = [length for length in SHORT_LENGTHS if 2 * length + 2 <= context and length < symbols]
    chosen = fitting if len(fitting) > 1 else short + fitting
    if not chosen:
        raise NanoscopeError(
            f"a context of {context} tokens and {symbols} symbols is too small for repeated sequences: they need "
            f"{2 * min(SHORT_LENGTHS) + 2} tokens and {min(SHORT_LENGTHS) + 1} symbols or more"
        )
    return tuple(chosen)


def repeated_sequences(
    symbols: Int[Tensor, "symbol"], length: int, context: int, examples: int, start: int | None, *labels: object
) -> RepeatedSequences:
    """`[start?][random prefix][c][c]...`, with as many full copies as fit after the longest prefix."""
    rng = np.random.default_rng(seed_for("repeats", length, *labels))
    size = room(context, start)
    longest = min(length, size - 2 * length)
    copies = (size - longest) // length
    prefixes = rng.integers(0, longest + 1, examples)
    rows = [_sequence(rng, symbols.numpy(), length, copies, int(p), longest, start) for p in prefixes]
    first = torch.from_numpy(prefixes) + lead(start)
    return RepeatedSequences(torch.from_numpy(np.stack(rows)), first, length, copies)


def _sequence(
    rng: np.random.Generator,
    symbols: np.ndarray,
    length: int,
    copies: int,
    prefix: int,
    longest: int,
    start: int | None,
) -> np.ndarray:
    """One sequence. It is padded to the common length by further copying, which affects no earlier position."""
    block = rng.choice(symbols, length, replace=False)
    before = rng.choice(np.setdiff1d(symbols, block), prefix) if prefix else block[:0]
    after = np.resize(block, longest - prefix)
    return np.concatenate([start_symbol(start), before, *[block] * copies, after]).astype(np.int64)


def copy_task(
    symbols: Int[Tensor, "symbol"],
    length: int,
    examples: int,
    *labels: object,
    prefix: int = 4,
    start: int | None = None,
    reads: Sequence[int] | None = None,
) -> Task:
    """The paired design: clean `[prefix][c][c]`, corrupt `[prefix][c'][c]`, where c' differs from c at every position.

    Reads are all tokens of the second copy but the last (or those in `reads`, counted within the copy). The answer is the
    token that followed in the first copy. The wrong answer is a symbol that occurs in neither text or, if none is left,
    the token that followed at that position in c'.
    """
    rng = np.random.default_rng(seed_for("repeated", length, *labels))
    pool = symbols.numpy()
    block = np.stack([rng.choice(pool, length, replace=False) for _ in range(examples)])
    other = np.stack([_other_block(rng, pool, row) for row in block])
    before = np.stack([_prefix(rng, pool, row, prefix, start) for row in block])
    inside = np.asarray(range(length - 1) if reads is None else reads)
    positions = np.tile(before.shape[1] + length + inside, (examples, 1))
    return Task(
        clean=long_tensor(np.concatenate([before, block, block], axis=1)),
        corrupt=long_tensor(np.concatenate([before, other, block], axis=1)),
        answer=long_tensor(block[:, inside + 1]),
        wrong=long_tensor(
            np.stack([_absent_symbols(rng, pool, *rows) for rows in zip(block, other, before, strict=True)])[:, inside]
        ),
        positions=long_tensor(positions),
    )


def shuffled(task: Task, length: int, *labels: object) -> Task:
    """Control (iii): the first copy in the corrupt text has the same symbols in another order."""
    rng = np.random.default_rng(seed_for("shuffled", *labels))
    first = task.clean.shape[1] - 2 * length
    corrupt = task.clean.numpy().copy()
    corrupt[:, first : first + length] = rng.permuted(corrupt[:, first : first + length], axis=1)
    inside = task.positions.numpy() - length + 1
    wrong = np.take_along_axis(corrupt, inside, axis=1)
    return Task(task.clean, long_tensor(corrupt), task.answer, long_tensor(wrong), task.positions)


def suffix_lookup(
    symbols: Int[Tensor, "symbol"],
    suffix: int,
    length: int,
    examples: int,
    *labels: object,
    start: int | None = None,
) -> Task:
    """Control (vi): only the last `suffix` tokens together determine the next token; fewer are ambiguous by design.

    Two keys of `suffix` tokens in a random text end in the same `suffix - 1` tokens but continue differently; the query
    repeats one of them. In the corrupt text the two continuations are swapped, and so are answer and wrong answer.
    """
    rng = np.random.default_rng(seed_for("suffix", suffix, *labels))
    pool = symbols.numpy()
    rows = [_lookup_row(rng, pool, suffix, length, start) for _ in range(examples)]
    clean, corrupt, answer, wrong = (np.stack(part) for part in zip(*rows, strict=True))
    positions = np.full((examples, 1), clean.shape[1] - 1)
    return Task(
        long_tensor(clean), long_tensor(corrupt), long_tensor(answer), long_tensor(wrong), long_tensor(positions)
    )


def _lookup_row(
    rng: np.random.Generator, pool: np.ndarray, suffix: int, length: int, start: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    drawn = rng.choice(pool, suffix + 3, replace=False)
    shared, (one, two, right, wrong) = drawn[: suffix - 1], (int(symbol) for symbol in drawn[suffix - 1 :])
    filler = np.setdiff1d(pool, drawn)
    free = room(length, start) - 3 * suffix - 2
    cut = np.sort(rng.integers(0, free + 1, 2))
    gaps = np.split(rng.choice(filler, free), cut)
    swap = rng.random() < 0.5
    first, second = (two, one) if swap else (one, two)

    def text(right: int, wrong: int) -> np.ndarray:
        after = {one: right, two: wrong}
        keys = [[first, *shared, after[first]], [second, *shared, after[second]], [one, *shared]]
        parts = [start_symbol(start), gaps[0], keys[0], gaps[1], keys[1], gaps[2], keys[2]]
        return np.concatenate(parts).astype(np.int64)

    return text(right, wrong), text(wrong, right), np.array([right]), np.array([wrong])


def _other_block(rng: np.random.Generator, pool: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Draw symbols without replacement, none of them from `block`; if too few are left, only none at its position."""
    outside = np.setdiff1d(pool, block)
    if len(outside) >= len(block):
        return rng.choice(outside, len(block), replace=False)
    while True:
        other = rng.choice(pool, len(block), replace=False)
        if not (other == block).any():
            return other


def _absent_symbols(
    rng: np.random.Generator, pool: np.ndarray, block: np.ndarray, other: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """For each position of a block but the last, a symbol absent from the texts, or the next token in `other`."""
    absent = np.setdiff1d(pool, np.concatenate([block, other, before]))
    return rng.choice(absent, len(block) - 1) if len(absent) else other[1:]


def _prefix(
    rng: np.random.Generator, pool: np.ndarray, block: np.ndarray, length: int, start: int | None
) -> np.ndarray:
    outside = np.setdiff1d(pool, block)
    return np.concatenate([start_symbol(start), rng.choice(outside, length if len(outside) else 0)])
