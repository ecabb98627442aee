"""Ablation of heads: what is lost without them, beside what is lost without as many others in the same layers.

Mean ablation puts a head's average output over reference texts in its place, position by position; zero ablation puts
nothing there and leaves the distribution the model knows (methods.md 1.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from torch import Tensor

from nanoscope.activations import run
from nanoscope.edits import mean, zero
from nanoscope.metrics import Metric
from nanoscope.model import GPT
from nanoscope.replay import replay
from nanoscope.results import Sweep, head_names
from nanoscope.seeds import seed_for
from nanoscope.sites import Site
from nanoscope.tasks import Task

Head = tuple[int, int]
Kind = Literal["mean", "zero"]
POSSIBLE = 2000


def without_heads(
    model: GPT, task: Task, metric: Metric, sets: Sequence[Sequence[Head]], reference: Tensor, kind: Kind = "mean"
) -> Sweep:
    """The metric on the clean and the corrupt texts without each set of heads: `[run, set, example]`.

    `reference` are the tokens whose mean activations stand in, of the same length as the task's.
    """
    cache = run(model, reference, keep=["z"]).cache
    sites = [[Site("z", layer, head=head) for layer, head in heads] for heads in sets]
    cells = [[zero(site) if kind == "zero" else mean(site, cache) for site in cell] for cell in sites]
    both = [
        replay(
            model, tokens, cells, task.positions, lambda logits: metric(logits, task.repeated(len(logits) // len(task)))
        )
        for tokens in (task.clean, task.corrupt)
    ]
    coords = {"run": ("clean", "corrupt"), "set": tuple(head_names(heads) or "none" for heads in sets)}
    return Sweep(np.stack([one.values.numpy() for one in both]), ("run", "set", "example"), "metric", coords)


def layer_matched(model: GPT, heads: Sequence[Head], count: int, *labels: object) -> list[tuple[Head, ...]]:
    """Up to `count` different random sets of other heads, in each layer as many as `heads` has there (or as there are)."""
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


def _others(model: GPT, layer: int, wanted: int, heads: Sequence[Head]) -> list[tuple[Head, ...]]:
    rest = [(layer, head) for head in range(model.config.n_head) if (layer, head) not in heads]
    return list(combinations(rest, min(wanted, len(rest))))
