"""Emergence, the numbers: head scores and behaviour at every checkpoint of a training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoscope import tasks
from nanoscope.analysis import behaviour, heads
from nanoscope.checkpoint import load
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.experiment import Subject, Sweeps
from nanoscope.model import GPT
from nanoscope.results import Sweep

FOLLOWED = ("induction", "previous")


@dataclass(frozen=True)
class Params:
    """How much is measured at each checkpoint."""

    sequences: int = 32
    lengths: int = 3
    """How many block lengths, shortest first."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sequences < 2 or self.lengths < 1:
            raise NanoscopeError("--sequences must be at least 2 and --lengths at least 1")


def measure(subject: Subject, params: Params) -> Sweeps:
    """Scores `[step, score, length, layer, head, example]` reduced to the heads that end best, and behaviour by step."""
    if len(subject.history) < 3:
        raise NanoscopeError(
            f"{subject.label} has no checkpoints of its training; train it with `nanoscope train` first"
        )
    train = subject.checkpoint.encode(subject.corpus.train)
    config = subject.checkpoint.model.config
    symbols = tasks.alphabet(train, config.vocab_size)
    lengths = tasks.lengths_that_fit(config.block_size, len(symbols))[: params.lengths]
    select, report = (
        [tasks.repeats(symbols, n, config.block_size, params.sequences, None, split, params.seed) for n in lengths]
        for split in ("emergence select", "emergence")
    )
    prefix = min(4, config.block_size - 2 * lengths[0])
    task = tasks.repeated(symbols, lengths[0], params.sequences, "emergence", params.seed, prefix=prefix)
    models = ((step, load(path).model) for step, path in sorted(subject.history.items()))
    rows = [(step, _scores(model, report), behaviour.on_task(model, task).values) for step, model in models]
    steps = tuple(step for step, _, _ in rows)
    scores = np.stack([row for _, row, _ in rows])
    best = _best(_scores(subject.checkpoint.model, select).mean(-1).min(axis=1))
    followed = np.stack([scores[:, s, :, layer, head] for s, (layer, head) in enumerate(best)])
    names = tuple(f"L{layer}H{head}" for layer, head in best)
    every = scores.mean(-1).min(axis=2)
    return {
        "followed": Sweep(followed, ("score", "step", "length", "example"), "share above uniform",
                          {"score": FOLLOWED, "step": steps, "length": lengths}),
        "heads": Sweep(every, ("step", "score", "layer", "head"), "share above uniform",
                       {"step": steps, "score": FOLLOWED}),
        "names": Sweep(np.array(best), ("score", "part"), "index", {"score": names, "part": ("layer", "head")}),
        "behaviour": Sweep(np.stack([row for _, _, row in rows]), ("step", "measure", "run", "example"), "share; nats",
                           {"step": steps, "measure": ("accuracy", "log_prob"), "run": ("clean", "corrupt")}),
    }  # fmt: skip


def _scores(model: GPT, sequences: list[tasks.Repeats]) -> np.ndarray:
    """`[score, length, layer, head, example]` above uniform attention."""
    which = [heads.SCORES.index(score) for score in FOLLOWED]
    parts = [
        heads.above_uniform(heads.attention_scores(model, s), heads.uniform_scores(s)).values[which] for s in sequences
    ]
    return np.stack(parts, axis=1)


def _best(lowest: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """From final scores `[score, layer, head]` on other sequences: the best induction head, and the best previous-token
    head below it (of all layers, where it is in the first)."""
    induction = _argmax(lowest[0])
    return induction, _argmax(lowest[1][: induction[0]] if induction[0] > 0 else lowest[1])


def _argmax(scores: np.ndarray) -> tuple[int, int]:
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    return int(layer), int(head)
