"""Tasks: aligned pairs of token sequences, with the places where an answer is read.

The paired design: `clean` and `corrupt` have the same length, the same read positions and the same answers; only what
makes the answer knowable differs. Control numbers are those of methods.md 1.4; Olsson et al. 2022 for the sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for
from nanoscope.tokens import Vocabulary

if TYPE_CHECKING:
    from jaxtyping import Int

LENGTHS = (17, 23, 29, 37, 41, 53)
SHORT_LENGTHS = (5, 7, 11)
MIN_COUNT = 500
PREFIX_ROOM = 6
FEWEST_SYMBOLS = 8


@dataclass(frozen=True)
class Task:
    """Token pairs `[example, pos]`, and per read its position, right answer and wrong answer `[example, read]`.

    The logits *at* `positions` are the prediction of the answer, the token that follows.
    """

    clean: Tensor
    corrupt: Tensor
    answer: Tensor
    wrong: Tensor
    positions: Tensor

    def __post_init__(self) -> None:
        if self.clean.shape != self.corrupt.shape:
            raise NanoscopeError(
                f"clean and corrupt must have the same number of tokens, not {self.clean.shape[-1]} and "
                f"{self.corrupt.shape[-1]}; make the two texts equally long"
            )
        if not self.answer.shape == self.wrong.shape == self.positions.shape:
            raise NanoscopeError("answer, wrong and positions must all be [example, read]")

    def __len__(self) -> int:
        return len(self.clean)

    def __getitem__(self, examples: slice) -> Task:
        """Some of the examples."""
        return Task(*(getattr(self, f.name)[examples] for f in fields(self)))

    def repeated(self, times: int) -> Task:
        """All examples several times over, one after another."""
        return Task(*(getattr(self, f.name).repeat(times, 1) for f in fields(self)))

    @property
    def first_difference(self) -> int:
        """The first position at which any pair differs: before it, no patch can have an effect."""
        differs = (self.clean != self.corrupt).any(dim=0)
        return int(differs.float().argmax()) if bool(differs.any()) else self.clean.shape[1]


@dataclass(frozen=True)
class Repeats:
    """Sequences `[example, pos]` of one random block, copied `copies` times after a random prefix.

    `first[i]` is where the first copy of example i begins; every copy has `length` tokens, none twice.
    """

    tokens: Tensor
    first: Tensor
    length: int
    copies: int


def alphabet(tokens: Int[Tensor, "pos"], symbols: int, minimum: int = MIN_COUNT) -> Int[Tensor, "symbol"]:
    """The tokens that occur at least `minimum` times in a text: the symbols a model has had a chance to learn.

    In a short text the minimum is one in 2,000, and at least one occurrence. NanoscopeError below eight such tokens.
    """
    enough = max(1, min(minimum, len(tokens) // 2000))
    found = torch.nonzero(torch.bincount(tokens, minlength=symbols)[:symbols] >= enough).flatten()
    if len(found) < FEWEST_SYMBOLS:
        raise NanoscopeError(
            f"only {len(found)} symbols occur often enough in the text; at least {FEWEST_SYMBOLS} are needed"
        )
    return found


def lengths_that_fit(context: int, symbols: int) -> tuple[int, ...]:
    """Block lengths of which two copies and a random prefix fit the context, drawn without replacement.

    At least two, wherever possible: a head that looks back a fixed distance is perfect at one length.
    """
    fitting = [length for length in LENGTHS if 2 * length + PREFIX_ROOM <= context and length < symbols]
    short = [length for length in SHORT_LENGTHS if 2 * length + 2 <= context and length < symbols]
    chosen = fitting if len(fitting) > 1 else short + fitting
    if not chosen:
        raise NanoscopeError(f"a context of {context} tokens and {symbols} symbols is too small for repeated sequences")
    return tuple(chosen)


def repeats(
    symbols: Int[Tensor, "symbol"], length: int, context: int, examples: int, start: int | None, *labels: object
) -> Repeats:
    """`[start?][random prefix][c][c]...`, as many whole copies as fit behind the longest prefix."""
    rng = np.random.default_rng(seed_for("repeats", length, *labels))
    room = context - (start is not None)
    longest = min(length, room - 2 * length)
    copies = (room - longest) // length
    prefixes = rng.integers(0, longest + 1, examples)
    rows = [_repeated_row(rng, symbols.numpy(), length, copies, int(p), longest, start) for p in prefixes]
    first = torch.from_numpy(prefixes) + (start is not None)
    return Repeats(torch.from_numpy(np.stack(rows)), first, length, copies)


def _repeated_row(
    rng: np.random.Generator,
    symbols: np.ndarray,
    length: int,
    copies: int,
    prefix: int,
    longest: int,
    start: int | None,
) -> np.ndarray:
    """One sequence; the tail that makes all equally long goes on copying, which changes nothing before it."""
    block = rng.choice(symbols, length, replace=False)
    before = rng.choice(np.setdiff1d(symbols, block), prefix) if prefix else block[:0]
    after = np.resize(block, longest - prefix)
    head = [] if start is None else [[start]]
    return np.concatenate([*head, before, *[block] * copies, after]).astype(np.int64)


def repeated(
    symbols: Int[Tensor, "symbol"],
    length: int,
    examples: int,
    *labels: object,
    prefix: int = 4,
    start: int | None = None,
    reads: Sequence[int] | None = None,
) -> Task:
    """The paired design: clean `[prefix][c][c]`, corrupt `[prefix][c'][c]`, with c' of other symbols than c.

    Reads are the tokens of the second copy but the last (or those in `reads`, counted within the copy); the answer is
    the token that followed in the first copy, the wrong answer a symbol that stands nowhere in either text (where too
    few are left, what followed at that place in c').
    """
    rng = np.random.default_rng(seed_for("repeated", length, *labels))
    pool = symbols.numpy()
    block = np.stack([rng.choice(pool, length, replace=False) for _ in range(examples)])
    other = np.stack([_other_block(rng, pool, row) for row in block])
    before = np.stack([_prefix(rng, pool, row, prefix, start) for row in block])
    inside = np.asarray(range(length - 1) if reads is None else reads)
    positions = np.tile(before.shape[1] + length + inside, (examples, 1))
    return Task(
        clean=_tensor(np.concatenate([before, block, block], axis=1)),
        corrupt=_tensor(np.concatenate([before, other, block], axis=1)),
        answer=_tensor(block[:, inside + 1]),
        wrong=_tensor(
            np.stack([_strangers(rng, pool, *rows) for rows in zip(block, other, before, strict=True)])[:, inside]
        ),
        positions=_tensor(positions),
    )


def shuffled(task: Task, length: int, *labels: object) -> Task:
    """Control (iii): the corrupt first copy holds the clean one's own symbols in another order."""
    rng = np.random.default_rng(seed_for("shuffled", *labels))
    first = task.clean.shape[1] - 2 * length
    corrupt = task.clean.numpy().copy()
    corrupt[:, first : first + length] = rng.permuted(corrupt[:, first : first + length], axis=1)
    inside = task.positions.numpy() - length + 1
    wrong = np.take_along_axis(corrupt, inside, axis=1)
    return Task(task.clean, _tensor(corrupt), task.answer, _tensor(wrong), task.positions)


def natural_copies(
    text: Int[Tensor, "pos"], length: int, examples: int, *labels: object, start: int | None = None
) -> Task:
    """Control (iv): clean `[n][n]`, corrupt `[n'][n]`, with n and n' chunks of real text."""
    rng = np.random.default_rng(seed_for("natural", length, *labels))
    places = rng.integers(0, len(text) - length, (2, examples))
    block, other = (np.stack([text[p : p + length].numpy() for p in row]) for row in places)
    before = np.full((examples, 0 if start is None else 1), start or 0)
    positions = np.tile(before.shape[1] + length + np.arange(length - 1), (examples, 1))
    return Task(
        clean=_tensor(np.concatenate([before, block, block], axis=1)),
        corrupt=_tensor(np.concatenate([before, other, block], axis=1)),
        answer=_tensor(block[:, 1:]),
        wrong=_tensor(other[:, 1:]),
        positions=_tensor(positions),
    )


def suffix_lookup(
    symbols: Int[Tensor, "symbol"],
    suffix: int,
    length: int,
    examples: int,
    *labels: object,
    start: int | None = None,
) -> Task:
    """Control (vi): only the last `suffix` tokens together identify what follows; fewer are ambiguous by design.

    Two places in a random text end in the same `suffix - 1` tokens and go on differently; the query repeats one of
    them. In the corrupt text the two continuations are exchanged, so answer and wrong answer change places.
    """
    rng = np.random.default_rng(seed_for("suffix", suffix, *labels))
    pool = symbols.numpy()
    rows = [_lookup_row(rng, pool, suffix, length, start) for _ in range(examples)]
    clean, corrupt, answer, wrong = (np.stack(part) for part in zip(*rows, strict=True))
    positions = np.full((examples, 1), clean.shape[1] - 1)
    return Task(_tensor(clean), _tensor(corrupt), _tensor(answer), _tensor(wrong), _tensor(positions))


def _lookup_row(
    rng: np.random.Generator, pool: np.ndarray, suffix: int, length: int, start: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    drawn = rng.choice(pool, suffix + 3, replace=False)
    shared, (one, two, right, wrong) = drawn[: suffix - 1], (int(symbol) for symbol in drawn[suffix - 1 :])
    filler = np.setdiff1d(pool, drawn)
    room = length - 3 * suffix - 2 - (start is not None)
    cut = np.sort(rng.integers(0, room + 1, 2))
    gaps = np.split(rng.choice(filler, room), cut)
    swap = rng.random() < 0.5
    first, second = (two, one) if swap else (one, two)

    def text(right: int, wrong: int) -> np.ndarray:
        after = {one: right, two: wrong}
        head = [] if start is None else [[start]]
        keys = [[first, *shared, after[first]], [second, *shared, after[second]], [one, *shared]]
        return np.concatenate([*head, gaps[0], keys[0], gaps[1], keys[1], gaps[2], keys[2]]).astype(np.int64)

    return text(right, wrong), text(wrong, right), np.array([right]), np.array([wrong])


def pair(vocabulary: Vocabulary, clean: str, corrupt: str, answer: str | None = None, wrong: str | None = None) -> Task:
    """A user's own pair of texts, read at the last position. Without answers, each text's own last symbol is meant."""
    if answer is None or wrong is None:
        clean, corrupt, answer, wrong = clean[:-1], corrupt[:-1], clean[-1:], corrupt[-1:]
    ids = [vocabulary.encode(text)[None] for text in (clean, corrupt, answer, wrong)]
    if any(tokens.shape[1] == 0 for tokens in ids) or ids[2].shape[1] != 1 or ids[3].shape[1] != 1:
        raise NanoscopeError("both texts must have at least two symbols, and an answer is one symbol")
    if answer == wrong:
        raise NanoscopeError(
            f"the answer and the wrong answer are both {answer!r}; give two, or texts that end differently"
        )
    return Task(*ids, positions=torch.tensor([[ids[0].shape[1] - 1]]))


def spread_starts(total: int, size: int, most: int) -> Int[Tensor, "window"]:
    """Where to begin at most `most` windows of `size` tokens, spread evenly over `total`, none overlapping another."""
    if total < size:
        raise NanoscopeError(f"the text has {total} characters, too few for a window of {size}")
    return torch.linspace(0, total - size, min(most, total // size)).long()


def natural_lookups(
    windows: Int[Tensor, "window size"], text: Int[Tensor, "pos"], match: int, *labels: object, start: int | None = None
) -> Task | None:
    """Control (v): real text where the last `match` tokens occurred before in the window; in the corrupt text that
    earlier occurrence, with what followed it, is overwritten by text from elsewhere. One read per window, the last there
    is beyond the first quarter; the answer is the text's own next token. None where no window has such a place."""
    rng = np.random.default_rng(seed_for("lookups", match, *labels))
    found = [(row, place) for row in windows.numpy() if (place := _last_lookup(row, match)) is not None]
    if not found:
        return None
    clean = np.stack([row for row, _ in found])
    corrupt = clean.copy()
    for row, (_, (before, _)) in zip(corrupt, found, strict=True):
        elsewhere = int(rng.integers(0, len(text) - match - 1))
        row[before - match + 1 : before + 2] = text[elsewhere : elsewhere + match + 1].numpy()
    reads = np.array([[at] for _, (_, at) in found])
    answer = np.take_along_axis(clean, reads + 1, axis=1)
    head = np.full((len(found), 0 if start is None else 1), start or 0)
    whole, overwritten = (_tensor(np.concatenate([head, side], axis=1)) for side in (clean, corrupt))
    return Task(whole, overwritten, _tensor(answer), _tensor(answer), _tensor(reads + head.shape[1]))


def _last_lookup(row: np.ndarray, match: int) -> tuple[int, int] | None:
    """The last position of a window whose last `match` tokens ended at an earlier position, apart from themselves."""
    for at in range(len(row) - 2, max(match, len(row) // 4), -1):
        for before in range(at - match - 1, match - 2, -1):
            if (row[before - match + 1 : before + 1] == row[at - match + 1 : at + 1]).all():
                return before, at
    return None


def longest_match(tokens: Int[Tensor, "pos"], limit: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """For each position, the longest suffix (up to `limit`) that occurred before within these tokens, and what
    followed its most recent earlier occurrence (-1 where there is no match): control (v), in-context copying.
    """
    text = tokens.numpy()
    lengths, following = np.zeros(len(text), np.int64), np.full(len(text), -1)
    seen: dict[tuple[int, ...], int] = {}
    for i in range(len(text)):
        for k in range(min(limit, i + 1), 0, -1):
            before = seen.get(tuple(text[i - k + 1 : i + 1]))
            if before is not None:
                lengths[i], following[i] = k, text[before + 1]
                break
        for k in range(1, min(limit, i + 1) + 1):
            seen[tuple(text[i - k + 1 : i + 1])] = i
    return lengths, following


def _other_block(rng: np.random.Generator, pool: np.ndarray, block: np.ndarray) -> np.ndarray:
    """A draw without replacement that shares no symbol with `block`, or, where too few are left, no place."""
    outside = np.setdiff1d(pool, block)
    if len(outside) >= len(block):
        return rng.choice(outside, len(block), replace=False)
    while True:
        other = rng.choice(pool, len(block), replace=False)
        if not (other == block).any():
            return other


def _strangers(
    rng: np.random.Generator, pool: np.ndarray, block: np.ndarray, other: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """For each place of a block but the last, a symbol absent from the texts, or what follows it in `other`."""
    absent = np.setdiff1d(pool, np.concatenate([block, other, before]))
    return rng.choice(absent, len(block) - 1) if len(absent) else other[1:]


def _prefix(
    rng: np.random.Generator, pool: np.ndarray, block: np.ndarray, length: int, start: int | None
) -> np.ndarray:
    outside = np.setdiff1d(pool, block)
    head = np.array([] if start is None else [start], dtype=np.int64)
    return np.concatenate([head, rng.choice(outside, length if len(outside) else 0)])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).long()
