"""Ablation of heads, with a control: ablation of equally many other heads in the same layers.

Mean ablation replaces a head's output by its average over reference texts, position by position. Zero ablation sets it to
zero, which is out of the model's distribution (docs/methods/patching.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import mean, zero
from nanoscope.interventions.replay import Edits, replay
from nanoscope.interventions.run import activations
from nanoscope.model.gpt import GPT
from nanoscope.model.names import head_names
from nanoscope.model.sites import Site
from nanoscope.seeds import seed_for
from nanoscope.tasks.metrics import Metric
from nanoscope.tasks.task import Task
from nanoscope.text.windows import at_a_time, batches

Head = tuple[int, int]
Kind = Literal["mean", "zero"]
POSSIBLE = 2000


def without_heads(
    model: GPT, task: Task, metric: Metric, sets: Sequence[Sequence[Head]], reference: Tensor, kind: Kind = "mean"
) -> Sweep:
    """The metric on the clean and the corrupt texts without each set of heads: `[run, set, example]`.

    `reference` holds the texts for the mean activations, of the same length as the task's.
    """
    cells = _cells(model, sets, reference, kind)
    both = [_replayed(model, tokens, cells, task, metric) for tokens in (task.clean, task.corrupt)]
    coords = {"run": ("clean", "corrupt"), "set": _names(sets)}
    return Sweep(np.stack(both), ("run", "set", "example"), "metric", coords)


def _cells(model: GPT, sets: Sequence[Sequence[Head]], reference: Tensor, kind: Kind) -> list[Edits]:
    cache = activations(model, reference, keep=["z"])
    sites = [[Site("z", layer, head=head) for layer, head in heads] for heads in sets]
    return [[zero(site) if kind == "zero" else mean(site, cache) for site in cell] for cell in sites]


def _replayed(model: GPT, tokens: Tensor, cells: Sequence[Edits], task: Task, metric: Metric) -> np.ndarray:
    def values(some: slice) -> np.ndarray:
        part = task[some]

        def measured(logits: Tensor) -> Tensor:
            return metric(logits, part.tiled(len(logits) // len(part)))

        return replay(model, tokens[some], cells, part.positions, measured).values.numpy()

    parts = batches(len(task), at_a_time(len(task), tokens.shape[1], model.config.vocab_size))
    return np.concatenate([values(some) for some in parts], axis=1)


def _names(sets: Sequence[Sequence[Head]]) -> tuple[str, ...]:
    return tuple(head_names(heads) or "none" for heads in sets)


def layer_matched(model: GPT, heads: Sequence[Head], count: int, *labels: object) -> list[tuple[Head, ...]]:
    """Up to `count` distinct random sets of other heads, with as many in each layer as `heads` has (or as there are)."""
    rng = np.random.default_rng(seed_for("layer-matched", *labels))
    per_layer = {layer: sum(1 for at, _ in heads if at == layer) for layer, _ in heads}
    choices = [_others(model, layer, wanted, heads) for layer, wanted in sorted(per_layer.items())]
    found: set[tuple[Head, ...]] = set()
    for _ in range(POSSIBLE):
        drawn = tuple(head for options in choices for head in options[rng.integers(len(options))])
        found |= {drawn} - {()}
        if len(found) == count:
            break
    return sorted(found)


def of_same_size(model: GPT, heads: Sequence[Head], count: int, *labels: object) -> list[tuple[Head, ...]]:
    """Those of `layer_matched` that are as many heads; none where a layer of `heads` has too few others."""
    return [drawn for drawn in layer_matched(model, heads, count, *labels) if len(drawn) == len(heads)]


def _others(model: GPT, layer: int, wanted: int, heads: Sequence[Head]) -> list[tuple[Head, ...]]:
    rest = [(layer, head) for head in range(model.config.n_head) if (layer, head) not in heads]
    return list(combinations(rest, min(wanted, len(rest))))
