"""The declaration of an experiment.

An experiment is declared once: its question, its settings, what it measures, which claims it judges and which figures
it draws. The command line, the study, the notebooks, the report and the tests all use that one declaration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.answer import Question
from nanoscope.evidence.claim import Claim, judged
from nanoscope.evidence.finding import Finding
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.measuring import Stages, Sweeps, in_memory
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.tokenizer import TokenizedText, Tokenizer, tokenized

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nanoscope.experiments.pages import Page

Measured = TypeVar("Measured")
"""What an experiment is run on: a `Subject`, or a `Group` of stored results."""
Settings = TypeVar("Settings")
"""An experiment's own `Params`."""


@dataclass(frozen=True)
class Subject:
    """What is analysed: a checkpoint, the text it is measured on, and its label in the report."""

    checkpoint: Checkpoint
    corpus: Corpus
    label: str
    role: str = "model"
    """"model", "control" or "planted": where the report puts it."""
    history: Mapping[int, Path] = field(default_factory=dict)
    """Earlier checkpoints of the same training, by step."""
    twins: tuple[Checkpoint, ...] = ()
    """Other trainings of the same recipe, for an experiment that is `twinned`."""
    family: str | None = None
    """The common name of this training and those that differ from it only in their seed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpus", self.corpus.read_by(self.checkpoint.vocabulary))

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer; NanoscopeError if the checkpoint came without a vocabulary."""
        return self.checkpoint.known_vocabulary

    def read(self, text: str) -> TokenizedText:
        """A text in the model's tokens."""
        return tokenized(text, self.tokenizer)

    @property
    def start(self) -> int | None:
        """The start symbol that every text must begin with, or None if the model has none."""
        return self.checkpoint.vocabulary.start if self.checkpoint.vocabulary else None


@dataclass(frozen=True)
class Group:
    """The stored results that a comparison reads.

    They are results on several models: the checkpoints of one training, the trainings of one recipe, or a range of sizes.
    """

    label: str
    role: str
    results: tuple[Result, ...]
    about: StoredSubject = field(default_factory=lambda: StoredSubject(""))
    """Metadata of the group for the report."""

    def of(self, experiment: str) -> tuple[Result, ...]:
        """One experiment's results, in the order of the models."""
        return tuple(result for result in self.results if result.experiment == experiment)


@dataclass(frozen=True)
class Experiment(Generic[Measured, Settings]):
    """A question and everything needed to answer it.

    `stages(subject, params)` measure the numbers; the claims are judged from the numbers alone. An experiment that `reads`
    other experiments' results is a comparison: its subject is a `Group`.
    """

    module: str
    """Its module's `__name__`, whose last part is the experiment's name."""
    question: str
    version: int
    params: type[Settings]
    stages: Callable[[Measured, Settings], Stages]
    claims: tuple[Claim, ...]
    figures: Mapping[str, Callable[[Result], Figure]]
    figures_need: Mapping[str, str] = field(default_factory=dict)
    """Figures that need a sweep which not every result has, and its name."""
    questions: tuple[Question, ...] = ()
    """What a student asks, answered by the claims: printed after every run and on the report's first screen."""
    page: Page | None = None
    """Its section of the report; None if it has no section of its own."""
    reads: tuple[str, ...] = ()
    of_training: bool = False
    """Whether it reads the checkpoints of one training, so that its result is about one model."""
    twinned: bool = False
    """Whether it compares the model with other trainings of its recipe, its subject's `twins`."""
    settings: Mapping[str, Settings] = field(default_factory=dict)
    """Smaller amounts by name ("quick", "end"), for studies and first looks; `params()` is the full amount."""

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    def drawable(self, result: Result) -> dict[str, Callable[[Result], Figure]]:
        """The figures for which the result has the numbers."""
        missing = {name for name, sweep in self.figures_need.items() if sweep not in result.sweeps}
        return {name: draw for name, draw in self.figures.items() if name not in missing}

    def setting(self, *amounts: str) -> Settings:
        """The first of these amounts that it declares, else the full amount."""
        return next((self.settings[amount] for amount in amounts if amount in self.settings), self.params())

    def measure(self, subject: Measured, params: Settings) -> Sweeps:
        """All numbers, kept nowhere; `runner.run_experiment` stores them."""
        return in_memory(self.stages(subject, params))

    def judge(self, sweeps: Mapping[str, Sweep]) -> tuple[Finding, ...]:
        """Every claim's finding, from the numbers alone."""
        return judged(self.claims, sweeps)


def plain_settings(params: object) -> dict[str, Any]:
    """The fields of an experiment's `Params`, a dataclass, as plain values by name."""
    return asdict(cast(Any, params))


def require_least(params: object, **least: int) -> None:
    """Raise NanoscopeError if an integer setting is below its minimum, by default 1; a seed may be anything."""
    for name, value in plain_settings(params).items():
        minimum = least.get(name, 1)
        if name != "seed" and isinstance(value, int) and value < minimum:
            raise NanoscopeError(f"--{name.replace('_', '-')} must be at least {minimum}, not {value}")


def times_in_turn(runs: Mapping[str, Callable[[], object]], repeats: int) -> Sweep:
    """Seconds of each function, called in turn for `repeats` rounds after a warm-up round: `[what, repeat]`."""
    rows = []
    for _ in range(1 + repeats):
        marks = [time.perf_counter()]
        for function in runs.values():
            function()
            marks.append(time.perf_counter())
        rows.append(np.diff(marks))
    return Sweep(np.array(rows[1:]).T, ("what", "repeat"), "s", {"what": tuple(runs)})
