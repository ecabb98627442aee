"""Neurons, one by one: examples from the strongest to the weakest, the spread of activations, what it raises.

A card needs no model to be drawn: its examples are texts of 81 characters with the activation on each that lies in the
same window, and NaN on the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanoscope.analysis.neurons.statistics import DECILES, RADIUS, Examples, OverText
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.interventions.run import run
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
    """All that the cards of these neurons show, as sweeps over `card`."""
    names = tuple(neuron_name(*neuron) for neuron in neurons)
    rows = [_places(over, neuron) for neuron in neurons]
    texts = tuple(_shown(text.text, int(place)) for places in rows for place in places)
    activations = [_around(model, windows, text, neuron, places) for neuron, places in zip(neurons, rows, strict=True)]
    layers, units = (list(part) for part in zip(*neurons, strict=True))
    card = {"card": names}
    told = {**card, "statistic": over.statistics.labels("statistic")}
    flat = np.concatenate(activations).astype(np.float32)
    statistics, raised = over.statistics.values[:, layers, units], weights.values[layers, units]
    return {
        "card_texts": Sweep(flat, ("text", "char"), "activation", {"text": texts}),
        "card_places": Sweep(np.stack(rows), ("card", "row"), "place in the text", {**card, "row": ROWS}),
        "card_sample": Sweep(over.sample[layers, units].numpy(), ("card", "char"), "activation", card),
        "card_statistics": Sweep(statistics, ("statistic", "card"), "activation", told),
        "card_weights": Sweep(raised, ("card", "token"), weights.unit, {**card, **weights.coords}),
    }


def _places(over: OverText, neuron: Neuron) -> np.ndarray:
    """Where the examples of one neuron are, in the order of `ROWS`; -1 where there is none."""
    random = over.sampled[np.linspace(0, len(over.sampled) - 1, RANDOM + 2).astype(int)[1:-1]]
    top, bottom = (_first(of, neuron, count) for of, count in ((over.top, TOP), (over.bottom, BOTTOM)))
    return np.concatenate([top, over.deciles.places[neuron][::-1], random, bottom])


def _first(examples: Examples, neuron: Neuron, count: int) -> np.ndarray:
    places = examples.places[neuron][:count]
    return np.append(places, np.full(count - len(places), -1))


def _shown(text: str, place: int) -> str:
    """The characters around a place, with spaces beyond the text's ends; nothing but spaces for place -1."""
    if place < 0:
        return " " * (2 * RADIUS + 1)
    before, after = text[max(0, place - RADIUS) : place], text[place : place + RADIUS + 1]
    return before.rjust(RADIUS) + after.ljust(RADIUS + 1)


def _around(model: GPT, windows: Windows, text: TokenizedText, neuron: Neuron, places: np.ndarray) -> np.ndarray:
    """Activations on the shown characters, each that of its token, `[row, char]`; NaN on those of other windows."""
    which = np.maximum(np.searchsorted(windows.begins, text.token_at(places), side="right") - 1, 0)
    layer, unit = neuron
    cache = run(model, windows.tokens[which], keep=[("post", layer)]).cache
    post = windows.read(cache["post", layer])[..., unit].cpu().numpy()
    at = text.token_at(places[:, None] + np.arange(-RADIUS, RADIUS + 1)) - windows.begins[which][:, None]
    there = (at >= 0) & (at < windows.size) & (places >= 0)[:, None]
    return np.where(there, np.take_along_axis(post, np.clip(at, 0, windows.size - 1), axis=1), np.nan)
