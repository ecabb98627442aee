"""Statistics of neurons' activations over a text, and the positions where they are largest and smallest.

One pass over the text. Central moments of chunks are merged in double precision (Pebay 2008). Hoyer's sparsity is
(sqrt(N) - l1 / l2) / (sqrt(N) - 1): 1 for a neuron that is active once, 0 for a constant one. Quantiles, and the share of
characters above a tenth of the maximum, come from one random sample of characters for all neurons. Skew and excess
kurtosis are NaN for a constant neuron.

The strongest examples alone mislead (Bolukbasi et al. 2021), so there are also examples at every upper decile, and random
ones. Each window contributes only its strongest character. Examples are left out if their displayed texts (40 characters
either side) overlap or repeat. "Dead": the maximum is at most 0.001 of the median neuron's. See
docs/methods/neurons.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.analysis.neurons.activations import every_layer
from nanoscope.evidence.sweep import Sweep
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.seeds import seed_for
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows

STATISTICS = ("mean", "sd", "skew", "kurtosis", "positive", "max", "min", "sparsity", "hoyer")
QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DECILES = (0.5, 0.6, 0.7, 0.8, 0.9)
RADIUS = 40
ACTIVE = 0.1
DEAD = 1e-3
PART = "every neuron on the text"
"""What is told while it is measured."""
HASH_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Examples:
    """Positions in the text and their activations, both `[layer, neuron, example]`; position -1 is no example."""

    places: Int[np.ndarray, "layer neuron example"]
    activations: Float[np.ndarray, "layer neuron example"]


@dataclass(frozen=True)
class OverText:
    """All neurons over one text. `sample [layer, neuron, char]` holds activations at the positions `sampled [char]`."""

    statistics: Sweep
    quantiles: Sweep
    top: Examples
    bottom: Examples
    deciles: Examples
    sample: Tensor
    sampled: np.ndarray


def over_text(
    model: GPT,
    windows: Windows,
    text: TokenizedText,
    count: int,
    sample: int,
    *labels: object,
    progress: Progress = silent,
) -> OverText:
    """Statistics `[statistic, layer, neuron]`, quantiles, `count` examples from either end, one at each upper decile.

    The quantiles use about `sample` tokens. Positions are those of tokens' last characters.
    """
    shape, characters = (model.config.n_layer, model.config.d_mlp), text.last[windows.places]
    first = torch.from_numpy(first_of_its_text(text.text, characters.ravel())).view(characters.shape)
    drawn = _drawn(windows, sample, *labels)
    shortest = int((characters[:, -1] - characters[:, 0]).min()) + 1
    pool = count * (1 + 2 * math.ceil(2 * RADIUS / shortest))  # each example excludes at most so many others
    moments, high, low = _Moments.none(shape), _Pool.none(shape, pool), _Pool.none(shape, pool)
    kept = torch.empty(*shape, drawn.numel())
    for chunk in windows.chunks():
        progress(PART, chunk.start, len(windows))
        post, positions = every_layer(model, windows, chunk), torch.from_numpy(characters[chunk])
        moments = moments.merged(_Moments.of(post))
        high, low = high.with_more(post, positions, first[chunk]), low.with_more(-post, positions, first[chunk])
        rows = torch.arange(len(positions))[:, None]
        at = slice(chunk.start * drawn.shape[1], chunk.stop * drawn.shape[1])
        kept[:, :, at] = post[:, rows, drawn[chunk]].flatten(1, 2).mT
    sampled = np.take_along_axis(characters, drawn.numpy(), axis=1).ravel()
    progress(PART, len(windows), len(windows))
    top, bottom = high.without_overlap(count), low.without_overlap(count)
    bottom = Examples(bottom.places, -bottom.activations)
    quantiles, deciles = _quantiles(kept, sampled)
    largest, smallest = high.extreme.numpy(), -low.extreme.numpy()
    statistics = moments.statistics(largest, smallest, _more_than_a_tenth(kept, largest))
    return OverText(statistics, quantiles, top, bottom, deciles, kept, sampled)


def dead(statistics: Sweep) -> Bool[np.ndarray, "layer neuron"]:
    """Neurons whose activation is never noticeable, from `statistics [statistic, layer, neuron]`."""
    largest = statistics.sel(statistic="max").values
    return largest <= DEAD * np.median(largest)


def first_of_its_text(text: str, positions: Int[np.ndarray, "position"]) -> Bool[np.ndarray, "position"]:
    """Whether each position is the first with its displayed text (40 characters either side), by a 64-bit hash."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64) + np.uint64(1)
    padded = np.pad(codes, RADIUS)
    value = np.zeros(len(codes), dtype=np.uint64)
    for offset in range(2 * RADIUS + 1):
        value = value * HASH_BASE + padded[offset : offset + len(codes)]
    first = np.zeros(len(positions), dtype=bool)
    first[np.unique(value[positions], return_index=True)[1]] = True
    return first


# ---- running values ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Moments:
    """Count, mean, sums of powers of deviations from the mean, sum of absolute values, count of positive values."""

    count: int
    mean: np.ndarray
    m2: np.ndarray
    m3: np.ndarray
    m4: np.ndarray
    absolute: np.ndarray
    positive: np.ndarray

    @staticmethod
    def none(shape: tuple[int, int]) -> _Moments:
        return _Moments(0, *(np.zeros(shape) for _ in range(6)))

    @staticmethod
    def of(post: Float[Tensor, "layer window char neuron"]) -> _Moments:
        parts = [_powers(layer.flatten(0, 1)) for layer in post]
        stacked = (torch.stack(part).double().numpy() for part in zip(*parts, strict=True))
        return _Moments(post.shape[1] * post.shape[2], *stacked)

    def merged(self, other: _Moments) -> _Moments:
        """The moments of both samples together."""
        a, b, n = self.count, other.count, self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * b / n
        m2 = self.m2 + other.m2 + gap**2 * a * b / n
        m3 = self.m3 + other.m3 + gap**3 * a * b * (a - b) / n**2 + 3 * gap * (a * other.m2 - b * self.m2) / n
        m4 = self.m4 + other.m4 + gap**4 * a * b * (a * a - a * b + b * b) / n**3
        m4 += 6 * gap**2 * (a * a * other.m2 + b * b * self.m2) / n**2 + 4 * gap * (a * other.m3 - b * self.m3) / n
        return _Moments(n, mean, m2, m3, m4, self.absolute + other.absolute, self.positive + other.positive)

    def statistics(self, largest: np.ndarray, smallest: np.ndarray, sparsity: np.ndarray) -> Sweep:
        n, root = self.count, math.sqrt(self.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            sd = np.sqrt(self.m2 / n)
            skew, kurtosis = self.m3 / n / sd**3, self.m4 / n / sd**4 - 3
            hoyer = (root - self.absolute / np.sqrt(self.m2 + n * self.mean**2)) / (root - 1)
        values = [self.mean, sd, skew, kurtosis, self.positive / n, largest, smallest, sparsity, hoyer]
        values = [np.where(np.isfinite(value), value, np.nan) for value in values]
        return Sweep(np.stack(values), ("statistic", "layer", "neuron"), "activation", {"statistic": STATISTICS})


def _powers(x: Float[Tensor, "char neuron"]) -> tuple[Tensor, ...]:
    mean = x.mean(0)
    deviation = x - mean
    square = deviation * deviation
    return mean, square.sum(0), (square * deviation).sum(0), (square * square).sum(0), x.abs().sum(0), (x > 0).sum(0)


@dataclass(frozen=True)
class _Pool:
    """The largest values so far, at most one per window and per text, best first; `extreme` is the maximum of all values."""

    values: Tensor
    positions: Tensor
    extreme: Tensor

    @staticmethod
    def none(shape: tuple[int, int], size: int) -> _Pool:
        return _Pool(
            torch.full((*shape, size), -math.inf), torch.full((*shape, size), -1), torch.full(shape, -math.inf)
        )

    def with_more(
        self, post: Float[Tensor, "layer window char neuron"], positions: Tensor, first: Bool[Tensor, "window char"]
    ) -> _Pool:
        extreme = torch.maximum(self.extreme, post.amax(dim=(1, 2)))
        eligible = post if bool(first.all()) else post.masked_fill(~first[:, :, None], -math.inf)
        largest, at = eligible.max(dim=2)
        where = positions[torch.arange(len(positions))[:, None], at]
        values = torch.cat([self.values, largest.mT], dim=2)
        best, order = values.topk(self.values.shape[2], dim=2)
        return _Pool(best, torch.cat([self.positions, where.mT], dim=2).gather(2, order), extreme)

    def without_overlap(self, count: int) -> Examples:
        """The best examples whose displayed texts do not overlap, chosen greedily."""
        values, positions = self.values.numpy(), self.positions.numpy()
        out = values == -np.inf
        chosen, found = [], []
        for _ in range(count):
            best = np.where(out, -np.inf, values).argmax(axis=2)[..., None]
            none = out.all(axis=2, keepdims=True)
            here = np.where(none, -1, np.take_along_axis(positions, best, axis=2))
            chosen.append(here)
            found.append(np.where(none, np.nan, np.take_along_axis(values, best, axis=2)))
            out = out | (np.abs(positions - here) <= 2 * RADIUS)
        return Examples(np.concatenate(chosen, axis=2).astype(np.int32), np.concatenate(found, axis=2))


# ---- the sample ----------------------------------------------------------------------------------------------------


def _drawn(windows: Windows, sample: int, *labels: object) -> Int[Tensor, "window draw"]:
    """The sampled characters of each window: equally many from each, none twice."""
    each = min(windows.size, max(1, round(sample / len(windows))))
    rng = np.random.default_rng(seed_for("neuron sample", *labels))
    positions = rng.permuted(np.tile(np.arange(windows.size), (len(windows), 1)), axis=1)
    return torch.from_numpy(np.sort(positions[:, :each], axis=1))


def _quantiles(kept: Float[Tensor, "layer neuron char"], sampled: Int[np.ndarray, "char"]) -> tuple[Sweep, Examples]:
    """Quantiles `[quantile, layer, neuron]`, and the characters at each upper decile."""
    ranks = np.rint(np.array(QUANTILES) * (kept.shape[2] - 1)).astype(np.int64)
    upper = np.rint(np.array(DECILES) * (kept.shape[2] - 1)).astype(np.int64)
    values, positions, found = [], [], []
    for layer in kept.numpy():
        order = np.argsort(layer, axis=1)
        values.append(np.take_along_axis(layer, order[:, ranks], axis=1).T)
        found.append(np.take_along_axis(layer, order[:, upper], axis=1))
        positions.append(sampled[order[:, upper]])
    sweep = Sweep(np.stack(values, axis=1), ("quantile", "layer", "neuron"), "activation", {"quantile": QUANTILES})
    return sweep, Examples(np.stack(positions).astype(np.int32), np.stack(found))


def _more_than_a_tenth(kept: Float[Tensor, "layer neuron char"], largest: np.ndarray) -> np.ndarray:
    """The share of the sample above a tenth of the maximum; NaN where the maximum is not above 0."""
    share = (kept > torch.from_numpy(ACTIVE * largest)[..., None]).double().mean(2).numpy()
    return np.where(largest > 0, share, np.nan)
