"""Concept selectivity: the AUROC of every neuron for every concept, with a circular-shift null.

AUROC is the probability that a neuron's input (before the activation function) is higher on a character with the concept than
on one without; ties count half (Mann & Whitney 1947): `(sum of the positives' ranks - n1 (n1 - 1) / 2) / (n1 n0)`, with ranks
from 0. Near 1 the neuron is on for the concept, near 0 it is *silent on* it.

*Chance*: text and activations are autocorrelated, so labels are not shuffled but shifted circularly along the sequence.
The rank sums under all shifts are the circular cross-correlation of ranks and labels: one product of Fourier transforms
per neuron and concept. Shifts are multiples of a step: with j = step * m + phase, the sum over phases is a product of
small matrices at every frequency, so one short inverse transform suffices (the polyphase form). Shifts by less than a
window either way are left out. A label of position in the window is periodic, so shifts cannot test it.

*Uncertainty*: an AUROC is a mean of placements (each positive's share of negatives below it, and the reverse). So to
first order, resampling windows changes it like the mean of one pseudo-value per window (Obuchowski 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.windows import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 16
BINS = 10
SELECTIVE = 0.8
"""The AUROC from which a neuron is called selective."""


# ---- ranks and AUROC -----------------------------------------------------------------------------------------------


def ranks(values: Float[np.ndarray, "row char"]) -> Float[np.ndarray, "row char"]:
    """Ranks from 0 within each row; equal values share the mean of theirs."""
    order, ordered = _sorted(values)
    placed = np.tile(np.arange(values.shape[1], dtype=np.float64), (len(values), 1))
    first, last, members, run = _ties(ordered)
    placed.ravel()[members] = ((first + last) / 2 % values.shape[1])[run]
    return _unsorted(placed, order)


def ranked(neurons: Float[Tensor, "neuron char"]) -> Iterator[tuple[slice, Float[np.ndarray, "row char"]]]:
    """Ranks of a few neurons at a time, with their slice, to save memory."""
    for rows in batches(len(neurons), BATCH):
        yield rows, ranks(neurons[rows].numpy())


def auroc(ranks: Float[np.ndarray, "row char"], labels: Float[np.ndarray, "concept char"]) -> np.ndarray:
    """AUROC `[row, concept]` from labels 0 and 1 in double precision; NaN for a concept of all characters or of none."""
    ones = labels.sum(1)
    zeros = labels.shape[1] - ones
    with np.errstate(invalid="ignore"):
        return (ranks @ labels.T - ones * (ones - 1) / 2) / (ones * zeros)


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ascending order of each row, and the rows in that order."""
    order = np.argsort(values, axis=1)
    return order, _taken(values, order)


def _taken(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).gather(1, torch.from_numpy(order)).numpy()  # several times as fast as numpy's


def _unsorted(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Values in each row's sorted order, restored to its original order."""
    back = torch.empty(values.shape, dtype=torch.float64)
    return back.scatter_(1, torch.from_numpy(order), torch.from_numpy(values)).numpy()


def _ties(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal values in sorted rows, as indices into the concatenated rows.

    Returns the first and last index of each run, all indices inside runs, and the run of each of them.
    """
    same = np.zeros((len(ordered), ordered.shape[1] + 1), dtype=bool)
    np.equal(ordered[:, 1:], ordered[:, :-1], out=same[:, 1:-1])
    first = np.flatnonzero(same[:, 1:] & ~same[:, :-1])
    last = np.flatnonzero(same[:, :-1] & ~same[:, 1:])
    lengths = last - first + 1
    run = np.repeat(np.arange(len(first)), lengths)
    within = np.arange(lengths.sum()) - (np.cumsum(lengths) - lengths)[run]
    return first, last, first[run] + within, run


# ---- chance --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shifts:
    """Shifts by `step * multiples`, and the labels' transforms `[frequency, step, concept]` in the polyphase form."""

    step: int
    multiples: np.ndarray
    spectra: Tensor
    pairs: np.ndarray
    """Positives times negatives, `[concept]`."""


def shifts(labels: Bool[np.ndarray, "concept char"], window: int, wanted: int) -> Shifts:
    """At least `wanted` shifts by a window or more either way, with the longest step that allows them; all, if fewer.

    Raises NanoscopeError for a text of fewer than three windows.
    """
    size = labels.shape[1]
    if size < 3 * window:
        raise NanoscopeError(f"{size} characters are too few to shift labels by windows of {window}; use a longer text")
    divisors = [step for step in range(window, 0, -1) if window % step == 0]
    step = next((step for step in divisors if len(_multiples(size, window, step)) >= wanted), 1)
    spectra = torch.fft.rfft(_phases(torch.from_numpy(labels).float(), step)).permute(2, 1, 0).contiguous()
    ones = labels.sum(1)
    return Shifts(step, _multiples(size, window, step), spectra, ones * (size - ones))


def largest_by_chance(ranks: Float[np.ndarray, "row char"], shifts: Shifts) -> Float[np.ndarray, "concept shift"]:
    """The largest AUROC of these neurons under each shift of the labels: the null of a maximum over neurons."""
    size = ranks.shape[1]
    centred = torch.from_numpy((ranks - (size - 1) / 2).astype(np.float32))
    spectra = torch.fft.rfft(_phases(centred, shifts.step)).permute(2, 0, 1)
    products = torch.matmul(spectra, shifts.spectra.conj()).permute(1, 2, 0).contiguous()
    allowed = slice(int(shifts.multiples[0]), int(shifts.multiples[-1]) + 1)
    sums = torch.fft.irfft(products, n=size // shifts.step)[..., allowed].amax(dim=0)
    return 0.5 + sums.double().numpy() / shifts.pairs[:, None]


def _multiples(size: int, window: int, step: int) -> Int[np.ndarray, "shift"]:
    count, short = size // step, -(-window // step)
    return np.arange(short, count - short + 1)


def _phases(rows: Float[Tensor, "row char"], step: int) -> Float[Tensor, "row phase position"]:
    """Character `step * position + phase` of each row."""
    return rows.unflatten(1, (-1, step)).mT


# ---- one neuron and one concept ------------------------------------------------------------------------------------


def placements(
    values: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"]
) -> Float[np.ndarray, "row char"]:
    """Each positive's share of negatives below it, each negative's share of positives above it; ties count half."""
    order, ordered = _sorted(values)
    ones = _taken(labels, order)
    before = np.cumsum(ones, axis=1) - ones
    size = values.shape[1]
    count = ones.sum(1, keepdims=True)
    first, last, members, run = _ties(ordered)
    before = before.astype(np.float64).ravel()
    zeros = np.tile(np.arange(size, dtype=np.float64), len(values)) - before
    for counted, flags in ((before, ones), (zeros, ~ones)):
        counted[members] = ((counted[first] + counted[last] + flags.ravel()[last]) / 2)[run]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = zeros.reshape(values.shape) / (size - count), 1 - before.reshape(values.shape) / count
    return _unsorted(np.where(ones, below, above), order)


def pseudo_values(
    placed: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"], window: int
) -> Float[np.ndarray, "row window"]:
    """AUROC as one value per window: their mean is the AUROC, their scatter its uncertainty over windows."""
    ones = labels.sum(1, keepdims=True)
    weights = np.where(labels, 1 / ones, 1 / (labels.shape[1] - ones))
    value = np.where(labels, placed, 0).sum(1, keepdims=True) / ones
    influence = ((placed - value) * weights).reshape(len(placed), -1, window).sum(2)
    return value + influence.shape[1] * influence


def pseudo_values_within(
    values: Float[np.ndarray, "char"], labels: Bool[np.ndarray, "char"], within: Bool[np.ndarray, "char"], window: int
) -> Float[np.ndarray, "window"]:
    """The same for one neuron on a subset of the characters; NaN if all of these have the concept, or none."""
    count = len(values) // window
    ones, total = int(labels[within].sum()), int(within.sum())
    if ones in (0, total):
        return np.full(count, np.nan)
    positive = labels[within]
    placed = placements(values[None, within], positive[None])[0]
    value = placed[positive].mean()
    weighted = (placed - value) * np.where(positive, 1 / ones, 1 / (total - ones))
    return value + count * np.bincount(np.flatnonzero(within) // window, weights=weighted, minlength=count)


def mutual_information(values: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"]) -> np.ndarray:
    """Mutual information of a neuron's decile on a character and the character's label, in bits: `[row]`.

    With Miller & Madow's correction: (filled rows + filled columns - filled cells - 1) / 2n nats.
    """
    size = values.shape[1]
    decile = np.minimum(ranks(values) * BINS // size, BINS - 1).astype(np.int64)
    cells = np.stack([np.bincount(row, minlength=2 * BINS) for row in decile + BINS * labels]).reshape(-1, 2, BINS)
    filled = [(cells.sum(axis) > 0).sum(-1) for axis in (2, 1)]
    correction = (sum(filled) - (cells > 0).sum((1, 2)) - 1) / (2 * size)
    entropies = [_entropy(cells.sum(axis) / size) for axis in (2, 1)]
    return (sum(entropies) - _entropy(cells.reshape(len(cells), -1) / size) + correction) / np.log(2)


def _entropy(shares: Float[np.ndarray, "row part"]) -> np.ndarray:
    return -(shares * np.log(np.where(shares > 0, shares, 1))).sum(-1)


def point_biserial(values: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"]) -> np.ndarray:
    """Pearson's correlation of values and labels: `[row]`; NaN where either is constant."""
    one, other = (x - x.mean(1, keepdims=True) for x in (values.astype(np.float64), labels.astype(np.float64)))
    with np.errstate(invalid="ignore"):
        return (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))


def best_thresholds(values: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"]) -> np.ndarray:
    """The threshold of each row that predicts the concept with the best F1: `[row]`."""
    order = np.argsort(-values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    hits = np.cumsum(np.take_along_axis(labels, order, axis=1), axis=1)
    scores = 2 * hits / (np.arange(1, values.shape[1] + 1) + labels.sum(1, keepdims=True))
    whole = np.append(ordered[:, 1:] != ordered[:, :-1], np.ones((len(values), 1), dtype=bool), axis=1)
    best = np.where(whole, scores, -1).argmax(1)
    return np.take_along_axis(ordered, best[:, None], axis=1)[:, 0]


def f1(
    values: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"], thresholds: Float[np.ndarray, "row"]
) -> np.ndarray:
    """Harmonic mean of precision and recall of `values >= threshold`: `[row]`."""
    predicted = values >= thresholds[:, None]
    return 2 * (predicted & labels).sum(1) / np.maximum(predicted.sum(1) + labels.sum(1), 1)


def active_shares(
    values: Float[np.ndarray, "row char"], labels: Bool[np.ndarray, "row char"]
) -> Float[np.ndarray, "part row"]:
    """The share of the characters with the concept, and of those without, on which a neuron's input is above 0."""
    active = values > 0
    return np.stack([(active & where).sum(1) / where.sum(1) for where in (labels, ~labels)])


# ---- linear probes -------------------------------------------------------------------------------------------------


def probe(read: Float[Tensor, "char d_model"], labels: Bool[np.ndarray, "concept char"]) -> Tensor:
    """Least-squares directions for each concept, with a relative ridge of 0.001: `[concept, d_model]`."""
    x, y = read.double(), torch.from_numpy(labels).double().T
    x = x - x.mean(0)
    gram = x.T @ x
    gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    return torch.linalg.solve(gram, x.T @ (y - y.mean(0))).T.float()
