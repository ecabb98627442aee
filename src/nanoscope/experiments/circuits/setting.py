"""The inputs of `circuits`: how much is measured, and the tasks, each on two texts.

Circuits are chosen on the training text and judged on the validation text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.circuits.scores import whole_runs
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.gpt import GPT
from nanoscope.statistics.intervals import mean_interval
from nanoscope.tasks import synthetic
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.mined import MINED
from nanoscope.tasks.task import Task
from nanoscope.text.windows import room

INDUCTION = "induction"
LENGTH = 32
"""Tokens in a window of mined text."""
FIRST = (INDUCTION, "distance-3", *(name for name in MINED if name != "distance-3"))
"""The tasks; the first that the model does is studied in full."""
CLEAR = 10.0
"""A task is done clearly if the corrupt text lowers the metric by so many standard errors, and the clean one's is above 0."""
PREFIX = 4


@dataclass(frozen=True)
class Params:
    """How much is measured."""

    examples: int = 32
    """Pairs of texts of each task, to choose circuits on and as many to judge them on."""
    random_circuits: int = 100
    """Random circuits of the same size and layers, for comparison."""
    acdc_examples: int = 8
    """Pairs of texts that ACDC runs on, once for each edge; 0 leaves ACDC out."""
    learned_steps: int = 100
    """Steps of the learned mask."""
    pair_examples: int = 16
    """Pairs of texts for the ablation of every two heads."""
    scrubbing_draws: int = 20
    """Times that causal scrubbing draws other texts."""
    checkpoints: int = 12
    """Checkpoints of the training at which the circuit's edges are measured."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, examples=4, acdc_examples=0)


QUICK = Params(
    examples=8, random_circuits=20, acdc_examples=0, learned_steps=30, pair_examples=8, scrubbing_draws=5, checkpoints=4
)
SETTINGS = {"quick": QUICK, "planted": QUICK}


@dataclass(frozen=True)
class Setting:
    """A model, and its tasks on the text to choose circuits on (`select`) and on that to judge them on (`report`)."""

    model: GPT
    select: Mapping[str, Task] = field(repr=False)
    report: Mapping[str, Task] = field(repr=False)
    clear: frozenset[str]
    """The tasks that the model does clearly, on the first text."""
    seen: frozenset[str]
    """Those in which the corrupt text lowers the metric beyond doubt: the interval of the mean excludes 0."""
    symbols: Tensor
    """The symbols of the induction task, the length of its blocks, and the start symbol."""
    induction_length: int
    start: int | None
    params: Params

    @property
    def main(self) -> str:
        """The task that is studied in full."""
        return next((name for name in self.select if name in self.clear), next(iter(self.select)))

    @property
    def studied(self) -> tuple[str, ...]:
        """The tasks whose edges are measured: all in which the texts differ beyond doubt, and in any case the main one."""
        return tuple(name for name in self.select if name in self.seen | {self.main})


def setting_of(subject: Subject, params: Params) -> Setting:
    """The model's tasks. NanoscopeError for a model without a graph, and a context too short for repeated sequences."""
    model = subject.checkpoint.model
    graph_of(model.config)
    symbols = synthetic.alphabet(subject.checkpoint.encode(subject.corpus.train), model.config.vocab_size)
    length = synthetic.lengths_that_fit(room(model.config.block_size, subject.start), len(symbols))[0]
    select, report = (
        {INDUCTION: _induction(subject, params, symbols, length, split), **_mined(subject, params, split)}
        for split in ("select", "report")
    )
    both = [name for name in FIRST if name in select and name in report]
    found = {name: whole_runs(model, select[name], logit_diff) for name in both}
    clear = frozenset(name for name, (clean, corrupt) in found.items() if _is_clear(clean, corrupt))
    seen = frozenset(name for name, (clean, corrupt) in found.items() if mean_interval(clean - corrupt, "tasks")[0] > 0)
    chosen, judged = ({name: of[name] for name in both} for of in (select, report))
    return Setting(model, chosen, judged, clear, seen, symbols, length, subject.start, params)


def _mined(subject: Subject, params: Params, split: str) -> dict[str, Task]:
    """The tasks that one text has enough places for."""
    checkpoint, corpus = subject.checkpoint, subject.corpus
    tokens = checkpoint.encode(corpus.train if split == "select" else corpus.val)
    length = min(LENGTH, checkpoint.model.config.block_size)
    found = {}
    for name, task in MINED.items():
        try:
            found[name] = task(tokens, subject.tokenizer, params.examples, split, params.seed, length=length)
        except NanoscopeError:
            continue
    return found


def _induction(subject: Subject, params: Params, symbols: Tensor, length: int, split: str) -> Task:
    """Random symbols and the same again, against other symbols before the second copy."""
    size = room(subject.checkpoint.model.config.block_size, subject.start)
    labels = ("circuits", split, params.seed)
    prefix = min(PREFIX, size - 2 * length)
    return synthetic.copy_task(symbols, length, params.examples, *labels, prefix=prefix, start=subject.start)


def _is_clear(clean: Float[np.ndarray, "example"], corrupt: Float[np.ndarray, "example"]) -> bool:
    gap = clean - corrupt
    return bool(gap.mean() > CLEAR * gap.std(ddof=1) / np.sqrt(len(gap)) and clean.mean() > 0)
