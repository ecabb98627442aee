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
from nanoscope.interventions.replay import replay
from nanoscope.interventions.run import activations
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
    """What the model loses in each window under each list of edits, nats per token."""
    size, count = text.tokens.shape[1], text.targets.shape[1]
    parts = list(batches(len(text), at_a_time(len(text), size, model.config.vocab_size)))

    def cost(number: int, part: Passages) -> np.ndarray:
        def loss(logits: Float[Tensor, "row read vocab"]) -> Float[Tensor, "row"]:
            targets = part.targets.repeat(len(logits) // len(part), 1)
            return -metrics.chosen(metrics.log_probs(logits), targets).mean(-1)

        def show(done: int, total: int) -> None:
            progress(number * total + done, len(parts) * total)

        positions = torch.arange(size - count, size).expand(len(part), -1)
        found = replay(model, part.tokens, cells, positions, loss, progress=show)
        return (found.values - found.base).numpy()

    return np.concatenate([cost(number, text[some]) for number, some in enumerate(parts)], axis=1)
