"""Finding 4b, the numbers: the scores of each size at the end of its training, for every seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Group, Sweeps

TASKS = ("text", "echo")
MEASURES = ("copying accuracy", "induction head", "previous-token head", "loss", "repeated passages")
SIZES = ("parameters", "FLOPs")
AXES = ("task", "layers", "width", "seed")


@dataclass(frozen=True)
class Params:
    """The cells of the range, run or not."""

    layers: tuple[int, ...] = (1, 2, 4)
    """Numbers of layers."""
    widths: tuple[int, ...] = (64, 128, 256)
    """Widths of the residual stream."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Seeds of the trainings."""


def measure(group: Group, params: Params) -> Sweeps:
    """Scores `[measure, task, layers, width, seed]` at the end of each training, NaN for a cell that was not run."""
    axes = {"task": TASKS, "layers": params.layers, "width": params.widths, "seed": params.seeds}
    shape = tuple(len(labels) for labels in axes.values())
    scores, sizes = np.full((len(MEASURES), *shape), np.nan), np.full((len(SIZES), *shape), np.nan)
    for result in group.results:
        training, config = result.subject.training, result.subject.config
        if training["step"] < training["iterations"]:
            continue
        cell = (training["data"], config["n_layer"], config["n_embd"], training["seed"])
        if any(label not in labels for label, labels in zip(cell, axes.values(), strict=True)):
            raise NanoscopeError(f"{result.subject.label} is not a cell of the range of sizes")
        where = tuple(labels.index(label) for label, labels in zip(cell, axes.values(), strict=True))
        scores[:, *where] = _scores(result)
        sizes[:, *where] = result.subject.parameters, flops(config, training, result.subject.parameters)
    return {
        "scores": Sweep(scores, ("measure", *AXES), "share; nats", {"measure": MEASURES, **axes}),
        "sizes": Sweep(sizes, ("size", *AXES), "parameters; FLOPs", {"size": SIZES, **axes}),
    }


def flops(config: Mapping[str, Any], training: Mapping[str, Any], parameters: int) -> float:
    """Floating-point operations of a whole training (see the formula in `scale`)."""
    tokens = training["iterations"] * training["batch_size"] * training["accumulation"] * config["block_size"]
    counted = parameters - config["block_size"] * config["n_embd"]  # a tied embedding counts once, as the unembedding
    return 6.0 * counted * tokens + 12.0 * config["n_layer"] * config["n_embd"] * config["block_size"] * tokens


def _scores(result: Result) -> list[float]:
    """`MEASURES` of one training. A head's score is the lowest over the block lengths; the best head counts."""
    heads = result["heads"].values.mean(-1).min(axis=0)
    accuracy = result["behaviour"].sel(measure="accuracy").mean("example").values
    text = result["text"].mean("window")
    loss, repeated, new = (float(text.sel(quantity=name).values) for name in ("loss", "repeated", "new"))
    return [float(accuracy[0] - accuracy[1]), float(heads[0].max()), float(heads[1].max()), loss, new - repeated]
