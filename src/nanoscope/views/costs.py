"""About how long the long measurements of a model take on this machine, from a timed run of a full context.

Rough, so that one knows before a click whether to wait: what each measurement computes, in tokens of a plain forward. A step
of the tuned lens multiplies each layer's stream by d x d and d x vocabulary, forwards and backwards (three times the forward),
where a layer of the model itself has 12 d x d. The sweep over all edges costs as much as `EDGE` forwards for each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.experiments.neurons.measure import QUICK
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.views.features import CHARACTERS
from nanoscope.views.lens import FIT, FIT_WINDOWS, HELD_OUT_WINDOWS

EDGE = 0.21
"""Forwards that one edge's exact effect costs (benchmarks/EDGES.md)."""
EXAMPLES = 2.5
"""What collecting every neuron's examples costs, in forwards of the same text."""

ENCODED = 0.8
"""What reading a dictionary's features costs, in forwards of the same text."""


@dataclass(frozen=True)
class Costs:
    """Seconds; None for what the model does not have."""

    tuned_lens: float
    neurons: float | None
    features: float
    """Of one dictionary."""
    circuit: float | None
    """Of a text that fills the context."""


def costs(checkpoint: Checkpoint) -> Costs:
    """From the fastest of three runs."""
    config = checkpoint.model.config
    tokens = torch.zeros(1, config.block_size, dtype=torch.long)
    forward = min(_timed(checkpoint, tokens) for _ in range(3))
    return Costs(
        forward * (FIT_WINDOWS + HELD_OUT_WINDOWS + FIT.steps * FIT.batch / config.block_size * _step(config)),
        None if config.attention_only else forward * EXAMPLES * QUICK.characters / config.block_size,
        forward * ENCODED * CHARACTERS / config.block_size,
        None if config.norm_position == "post" else forward * EDGE * len(graph_of(config)),
    )


def _timed(checkpoint: Checkpoint, tokens: Int[Tensor, "batch pos"]) -> float:
    began = time.perf_counter()
    run(checkpoint.model, tokens)
    return time.perf_counter() - began


def _step(config: GPTConfig) -> float:
    """What a token costs in a step of the fit, in forwards of a token."""
    return 3 * (config.n_embd + config.vocab_size) / (12 * config.n_embd)
