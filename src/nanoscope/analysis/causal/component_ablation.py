"""Mean ablation of any components together: heads, whole layers of heads, MLPs.

Components that do the same thing cover for one another: each alone may cost nothing, all together much. So what a kind of
component is worth shows only when its members are taken out at once. cost(S) = loss without S - loss of the model, nats
per token, where the output of each component of S is replaced by its mean over reference texts, position by position.

Source: Wang et al. 2022 for mean ablation and for backup heads; McGrath et al. 2023 ("the Hydra effect") for
self-repair.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import Edit, mean
from nanoscope.interventions.replay import base_run, replay
from nanoscope.interventions.run import Run, activations
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.names import head_name
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics
from nanoscope.text.passages import Passages
from nanoscope.text.windows import at_a_time, batches

Components = Sequence[Site]
Progress = Callable[[int, int], None]


def heads(config: GPTConfig) -> dict[str, Components]:
    """Every head alone, by name: `L0H3`."""
    return {
        head_name(layer, head): (Site("z", layer, head=head),)
        for layer in range(config.n_layer)
        for head in range(config.n_head)
    }


def mlps(config: GPTConfig) -> dict[str, Components]:
    """Every MLP alone, by name: `MLP0`; none in an attention-only model."""
    layers = 0 if config.attention_only else config.n_layer
    return {f"MLP{layer}": (Site("mlp_out", layer),) for layer in range(layers)}


def layers_of_heads(config: GPTConfig) -> dict[str, Components]:
    """All heads of each layer, `heads of L0`, and all heads above each layer but the last two, `heads above L0`."""
    each = [Site("z", layer) for layer in range(config.n_layer)]
    alone: dict[str, Components] = {f"heads of L{layer}": (site,) for layer, site in enumerate(each)}
    return alone | {f"heads above L{layer}": tuple(each[layer + 1 :]) for layer in range(config.n_layer - 2)}


def cost_without(
    model: GPT,
    text: Passages,
    sets: Mapping[str, Components],
    reference: Int[Tensor, "text pos"],
    progress: Progress = lambda done, total: None,
) -> Sweep:
    """What the model loses in each window without each set of components: `[set, window]`, nats per token.

    `reference` holds the texts of the mean activations, of the windows' length.
    """
    means = mean_outputs(model, {site for sites in sets.values() for site in sites}, reference)
    cells = [[means[site] for site in sites] for sites in sets.values()]
    return Sweep(cost_of(model, text, cells, progress), ("set", "window"), "nats", {"set": tuple(sets)})


def mean_outputs(model: GPT, sites: Collection[Site], reference: Int[Tensor, "text pos"]) -> dict[Site, Edit]:
    """For each component the edit that replaces its output by its mean over reference texts, position by position."""
    cache = activations(model, reference, keep=sorted({site.name for site in sites}))
    return {site: mean(site, cache) for site in sites}


def cost_of(
    model: GPT,
    text: Passages,
    cells: Sequence[Sequence[Edit]],
    progress: Progress = lambda done, total: None,
) -> Float[np.ndarray, "cell window"]:
    """What the model loses in each window under each list of edits, nats per token.

    Of a model of many symbols fewer windows, and fewer cells, are run at a time.
    """
    size, symbols = text.tokens.shape[1], model.config.vocab_size
    names = {edit.site.name for cell in cells for edit in cell}
    parts = list(batches(len(text), at_a_time(len(text), size, symbols)))
    costs = []
    for number, part in enumerate(text[some] for some in parts):
        base, together = base_run(model, part.tokens, names), at_a_time(len(cells), len(part) * size, symbols)
        rows = [np.zeros((0, len(part)))]
        for some in batches(len(cells), together):
            rows.append(_cost(model, part, cells[some], base))
            progress(number * len(cells) + some.stop, len(parts) * len(cells))
        costs.append(np.concatenate(rows))
    return np.concatenate(costs, axis=1)


def _cost(model: GPT, part: Passages, cells: Sequence[Sequence[Edit]], base: Run) -> Float[np.ndarray, "cell window"]:
    """The same for some windows and some cells, which are all held at once."""
    size, count = part.tokens.shape[1], part.targets.shape[1]

    def loss(logits: Float[Tensor, "row read vocab"]) -> Float[Tensor, "row"]:
        targets = part.targets.repeat(len(logits) // len(part), 1)
        return -metrics.chosen(metrics.log_probs(logits), targets).mean(-1)

    positions = torch.arange(size - count, size).expand(len(part), -1)
    found = replay(model, part.tokens, cells, positions, loss, base=base)
    return (found.values - found.base).numpy()
