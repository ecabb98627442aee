"""Neuron cards: examples from the strongest to the weakest, the distribution of activations, and the output weights.

A card is drawn from stored sweeps, without the model. An example is a text of 81 characters with the activation on each
character that lies in the same window, and NaN on the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanoscope.analysis.neurons.statistics import DECILES, RADIUS, Examples, OverText
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.interventions.run import activations
from nanoscope.model.gpt import GPT
from nanoscope.model.names import neuron_name
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows

Neuron = tuple[int, int]
TOP, RANDOM, BOTTOM = 8, 2, 2
ROWS = (
    *(f"top {n}" for n in range(1, TOP + 1)),
    *(f"decile {decile}" for decile in reversed(DECILES)),
    *(f"random {n}" for n in range(1, RANDOM + 1)),
    *(f"bottom {n}" for n in range(1, BOTTOM + 1)),
)


def cards(
    model: GPT, over: OverText, windows: Windows, text: TokenizedText, weights: Sweep, neurons: Sequence[Neuron]
) -> Sweeps:
    """The contents of these neurons' cards, as sweeps over `card`; `weights [card, token]` are their output weights."""
    names = tuple(neuron_name(*neuron) for neuron in neurons)
    rows = [_positions(over, neuron) for neuron in neurons]
    texts = tuple(_shown(text.text, int(position)) for positions in rows for position in positions)
    activations = [_around(model, windows, text, *pair) for pair in zip(neurons, rows, strict=True)]
    layers, units = (list(part) for part in zip(*neurons, strict=True))
    card = {"card": names}
    coords = {**card, "statistic": over.statistics.labels("statistic")}
    flat = np.concatenate(activations).astype(np.float32)
    statistics = over.statistics.values[:, layers, units]
    return {
        "card_texts": Sweep(flat, ("text", "char"), "activation", {"text": texts}),
        "card_places": Sweep(np.stack(rows), ("card", "row"), "place in the text", {**card, "row": ROWS}),
        "card_sample": Sweep(over.sample[layers, units].numpy(), ("card", "char"), "activation", card),
        "card_statistics": Sweep(statistics, ("statistic", "card"), "activation", coords),
        "card_weights": Sweep(weights.values, ("card", "token"), weights.unit, {**card, **weights.coords}),
    }


def _positions(over: OverText, neuron: Neuron) -> np.ndarray:
    """The positions of one neuron's examples in the text, in the order of `ROWS`; -1 where there is none."""
    random = over.sampled[np.linspace(0, len(over.sampled) - 1, RANDOM + 2).astype(int)[1:-1]]
    top, bottom = (_first(of, neuron, count) for of, count in ((over.top, TOP), (over.bottom, BOTTOM)))
    return np.concatenate([top, over.deciles.places[neuron][::-1], random, bottom])


def _first(examples: Examples, neuron: Neuron, count: int) -> np.ndarray:
    """The positions of the first `count` examples, filled up with -1."""
    positions = examples.places[neuron][:count]
    return np.append(positions, np.full(count - len(positions), -1))


def _shown(text: str, position: int) -> str:
    """The characters around a position, with spaces beyond the ends of the text; only spaces for position -1."""
    if position < 0:
        return " " * (2 * RADIUS + 1)
    before, after = text[max(0, position - RADIUS) : position], text[position : position + RADIUS + 1]
    return before.rjust(RADIUS) + after.ljust(RADIUS + 1)


def _around(model: GPT, windows: Windows, text: TokenizedText, neuron: Neuron, positions: np.ndarray) -> np.ndarray:
    """Activations on the shown characters `[row, char]`: that of each character's token, NaN in other windows."""
    which = np.maximum(np.searchsorted(windows.begins, text.token_at(positions), side="right") - 1, 0)
    layer, unit = neuron
    cache = activations(model, windows.tokens[which], keep=[("post", layer)])
    post = windows.read(cache["post", layer])[..., unit].cpu().numpy()
    at = text.token_at(positions[:, None] + np.arange(-RADIUS, RADIUS + 1)) - windows.begins[which][:, None]
    inside = (at >= 0) & (at < windows.size) & (positions >= 0)[:, None]
    return np.where(inside, np.take_along_axis(post, np.clip(at, 0, windows.size - 1), axis=1), np.nan)
