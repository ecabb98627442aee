"""How far predictions are from n-gram tables, and whether the tables are known well enough to name the nearest one.

Three measures at the same places of a text: KL(table || prediction), KL(prediction || table), and the difference of the mean
losses. They need not agree: the first punishes a prediction that lacks what the table expects, the second one that expects
what the table lacks, and two predictions of equal loss may differ.

A table is fitted on a finite text. The *sampling spread* of the gap between two tables is the most that this gap changes when
both are fitted on either half of the text instead. The nearest table is told from the others only where every gap is larger
than its spread. How far that reaches is tried on known answers: a reader that is the k-gram table of one half of the text,
read with the tables of the other half.

Source: Hoogland et al. 2024 for distances to n-grams; docs/methods/lenses.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import NAMES, Passages
from nanoscope.text.windows import at_a_time, batches, in_batches

DIRECTIONS = ("table to lens", "lens to table")
MEASURES = (*DIRECTIONS, "loss")
TABLES = ("whole text", "first half", "second half")
BLOCK = 2048
"""Tokens of a block of text, of which every other one goes to each half."""
WINDOWS = 16
CELLS = 2**21
"""Windows x positions x symbols of one batch: with a large vocabulary fewer windows and positions are read at a time."""


def windows_at_a_time(text: Passages, symbols: int) -> int:
    """Windows that are read in one batch: `WINDOWS`, or fewer of a model of many symbols, at least 2."""
    return max(2, min(WINDOWS, CELLS // (text.targets.shape[1] * symbols)))


def places_at_a_time(text: Passages, symbols: int) -> Iterator[slice]:
    """The positions of some windows, in batches."""
    size = text.targets.shape[1]
    return batches(size, at_a_time(size, len(text), symbols, CELLS))


# ---- distances -------------------------------------------------------------------------------------------------------


def directed(known: Tensor, log_probs: Tensor) -> Float[np.ndarray, "direction n reader window position"]:
    """KL(table || reader) and KL(reader || table) at each position, nats, from the tables' probabilities `[n, window,
    position, vocab]` and the readers' log-probabilities `[reader, window, position, vocab]`."""
    log_table, reader = known.log(), log_probs.exp()
    own, others = (known * log_table).sum(-1), (reader * log_probs).sum(-1)
    forward = own[:, None] - torch.einsum("nwpv,lwpv->nlwp", known, log_probs)
    backward = others[None] - torch.einsum("nwpv,lwpv->nlwp", log_table, reader)
    return torch.stack([forward, backward]).double().numpy()


def of_model(model: GPT, text: Passages, tables: NGrams) -> Sweep:
    """KL between each n-gram table and the model's own output, summed: `[direction, n, kind, window]`."""

    def distances(part: Passages) -> np.ndarray:
        log_probs, found = metrics.log_probs(part.read(run(model, part.tokens).logits).float()).cpu()[None], []
        for places in places_at_a_time(part, tables.symbols):
            known = torch.from_numpy(tables.distribution(part.current.numpy(), places)).to(log_probs)
            found.append(directed(known, log_probs[:, :, places])[:, :, 0])
        return part.sums(np.concatenate(found, axis=-1))

    coords = {"direction": DIRECTIONS, "n": tuple(range(1, len(tables.orders) + 1)), "kind": NAMES}
    values = in_batches(text, windows_at_a_time(text, tables.symbols), distances, axis=-1)
    return Sweep(values, ("direction", "n", "kind", "window"), "nats, summed", coords)


def of_tables(readers: NGrams, text: Passages, tables: NGrams) -> Float[np.ndarray, "direction n k"]:
    """The same distances of readers that are n-gram tables themselves: of the k-gram table to each table, per position."""
    total = np.zeros((len(DIRECTIONS), len(tables.orders), len(readers.orders)))
    for part in (text[some] for some in batches(len(text), windows_at_a_time(text, tables.symbols))):
        for places in places_at_a_time(part, tables.symbols):
            p, q = (torch.from_numpy(one.distribution(part.current.numpy(), places)) for one in (tables, readers))
            total += (directed(p, q.log()) * part.members[0][:, places]).sum((-2, -1))
    return total / text.counts[0].sum()


def losses(tables: NGrams, text: Passages) -> Float[np.ndarray, "n kind window"]:
    """Each table's loss on a text, summed over the positions of each kind."""
    return text.sums(-np.log(tables.prob(text.text.numpy())[..., 1:]))


def with_losses(
    distances: Float[np.ndarray, "direction n reader"],
    table: Float[np.ndarray, "n"],
    reader: Float[np.ndarray, "reader"],
) -> Float[np.ndarray, "measure n reader"]:
    """All `MEASURES`, from the distances in both directions and the mean losses of tables and readers."""
    return np.concatenate([distances, np.abs(table[:, None] - reader)[None]])


# ---- which is nearest, and whether that can be told ------------------------------------------------------------------


@dataclass(frozen=True)
class Nearest:
    """The n of the nearest table, and whether it can be told from every other one."""

    n: Int[np.ndarray, "*any"]
    told: Bool[np.ndarray, "*any"]


def nearest(distances: Float[np.ndarray, "tables n *any"]) -> Nearest:
    """The nearest table by one measure, from its distances to the tables of `TABLES`: the whole text's, and each half's."""
    first = distances[0].argmin(0)
    gaps = distances - np.take_along_axis(distances, np.broadcast_to(first, distances[:, :1].shape), axis=1)
    spread = np.abs(gaps[1:] - gaps[0]).max(0)
    itself = np.arange(distances.shape[1]).reshape(-1, *[1] * first.ndim) == first
    return Nearest(first + 1, ((gaps[0] > spread) | itself).all(0))


def reach(known: Float[np.ndarray, "tables n k"]) -> int:
    """The largest n that the instrument tells, from its distances for readers that are k-gram tables: every k up to it is
    read as k, and no longer one as less. 0 if it tells nothing."""
    found = nearest(known)
    right = found.told & (found.n == np.arange(1, len(found.n) + 1))
    end = int(np.cumprod(right).sum())
    return int(min([end, *found.n[end:][found.told[end:]]]))


def in_halves(tokens: Int[np.ndarray, "pos"]) -> tuple[Int[np.ndarray, "some"], Int[np.ndarray, "rest"]]:
    """Two halves of a text: every other block, so that both are of the same kind where the text changes on its way."""
    size = max(1, min(BLOCK, len(tokens) // 8))
    odd = (np.arange(len(tokens)) // size) % 2 == 1
    return tokens[~odd], tokens[odd]


def known_answers(text: Passages, tokens: Int[np.ndarray, "pos"], symbols: int, orders: int) -> Sweep:
    """The instrument on readers whose answer is known: `[tables, measure, n, k]`, nats per position.

    The readers are the k-gram tables of the second half of a text; the tables are those of its first half, whose own halves
    give the spread.
    """
    one, other = in_halves(tokens)
    readers = NGrams.fit(other, symbols, orders)
    parts = (one, *in_halves(one))
    own, places = losses(readers, text)[:, 0].sum(-1), text.counts[0].sum()
    values = [_known(readers, text, NGrams.fit(part, symbols, orders), own / places) for part in parts]
    n = tuple(range(1, orders + 1))
    coords = {"tables": TABLES, "measure": MEASURES, "n": n, "k": n}
    return Sweep(np.stack(values), ("tables", "measure", "n", "k"), "nats", coords)


def _known(readers: NGrams, text: Passages, tables: NGrams, own: np.ndarray) -> np.ndarray:
    table = losses(tables, text)[:, 0].sum(-1) / text.counts[0].sum()
    return with_losses(of_tables(readers, text, tables), table, own)
