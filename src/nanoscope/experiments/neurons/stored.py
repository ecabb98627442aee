"""What a stored result holds about concepts, read in one place.

Of the AUROCs on new text are stored: `aurocs [source, layer, concept]`; for the context concepts the chosen neuron's `told
[source, concept, window]`; and the mean over those concepts of each layer's best neuron, `depth [layer, window]`. Their mean
over windows is the AUROC, their scatter its uncertainty.

Up to version 3 the AUROCs were of the activation, not of its input, and stood in one array, `report [source, layer, concept,
window]`. Claims that rest on them are withdrawn; this module still reads them, so that such results are drawn and judged.
"""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES
from nanoscope.model.names import neuron_name

OF_INPUTS = "aurocs"
"""The sweep that a result of neurons' inputs has, and an older one lacks."""


def best_layer(aurocs: np.ndarray, source: str) -> np.ndarray:
    """Of AUROCs `[layer, concept]` the layer of the highest, of the silent neurons' that of the lowest: `[concept]`."""
    return aurocs.argmin(axis=0) if source == "silent" else aurocs.argmax(axis=0)


def in_context(sweeps: Sweeps) -> np.ndarray:
    """The context concepts `[concept]`: those that the current character does not decide."""
    return sweeps["families"].values == FAMILIES.index(CONTEXT)


def context_names(sweeps: Sweeps) -> tuple[str, ...]:
    """Their names, in the order of `told`."""
    return tuple(str(sweeps["families"].labels("concept")[at]) for at in np.flatnonzero(in_context(sweeps)))


def chosen_layers(sweeps: Sweeps, source: str = "neurons") -> np.ndarray:
    """The layer of what was chosen for each concept, on the selecting split: `[concept]`."""
    return best_layer(sweeps["selected"].sel(source=source).values, source)


def chosen_neuron(sweeps: Sweeps, concept: int, source: str = "neurons") -> str:
    """The name of the neuron that was chosen for a concept."""
    layer = int(chosen_layers(sweeps, source)[concept])
    return neuron_name(layer, int(sweeps["chosen"].sel(source=source).values[layer, concept]))


def aurocs(sweeps: Sweeps) -> Sweep:
    """The AUROCs on new text of what was chosen in each layer, `[source, layer, concept]`."""
    return sweeps[OF_INPUTS] if OF_INPUTS in sweeps else sweeps["report"].mean("window")


def best_aurocs(sweeps: Sweeps, source: str = "neurons") -> np.ndarray:
    """The AUROC on new text of what was chosen for each concept over all layers, `[concept]`."""
    values = aurocs(sweeps).sel(source=source).values
    return np.take_along_axis(values, chosen_layers(sweeps, source)[None], axis=0)[0]


def told(sweeps: Sweeps, source: str = "neurons") -> np.ndarray:
    """The same of the context concepts as one value per window, `[concept, window]`."""
    if "told" in sweeps:
        return sweeps["told"].sel(source=source).values.astype(np.float64)
    values = sweeps["report"].sel(source=source).values.astype(np.float64)
    layers = chosen_layers(sweeps, source)
    return values[layers, np.arange(len(layers))][in_context(sweeps)]


def depth(sweeps: Sweeps) -> np.ndarray:
    """The AUROC of each layer's best neuron, averaged over the context concepts, `[layer, window]`."""
    if "depth" in sweeps:
        return sweeps["depth"].values.astype(np.float64)
    return sweeps["report"].sel(source="neurons").values[:, in_context(sweeps)].astype(np.float64).mean(axis=1)


def has_silent(sweeps: Sweeps) -> bool:
    """Whether silent neurons were asked for."""
    return "silent" in sweeps["selected"].labels("source")
