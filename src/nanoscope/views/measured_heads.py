"""The heads of a checkpoint, measured at a click as `nanoscope heads CKPT` does, or read from what that stored before."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.evidence.result import Result, load_result
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads.setting import QUICK
from nanoscope.experiments.runner import run_experiment
from nanoscope.interventions.run import run
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora import Corpus, open_corpus
from nanoscope.training.loop import checkpoints
from nanoscope.views.given_text import require_readable

FORWARDS, WINDOWS = 1300, 8
"""A measurement takes about as long as this many forward passes of so many windows: by the seconds of the published results of
a model of 10 million parameters, over those of its plain forward pass (sweeps `seconds` and `cost`)."""


def subject_at(path: Path, checkpoint: Checkpoint, corpus: Corpus) -> Subject:
    """A checkpoint as an experiment's subject, named by its path, with the earlier checkpoints of its training."""
    role = "control" if checkpoint.training.get("data") == "echo" else "model"
    return Subject(checkpoint, corpus, f"the model {path}", role, checkpoints(path.parent))


def measured(path: Path, folder: Path, progress: Progress = silent) -> Result:
    """The experiment `heads` with few examples on a checkpoint, stored in `folder/results`; reused if it is there.

    NanoscopeError if the text that it is measured on is not to be had, or the model cannot read it.
    """
    checkpoint, corpus = load(path), open_corpus()
    require_readable(checkpoint, path, corpus, False)
    subject = subject_at(path, checkpoint, corpus)
    with files.exclusive_lock(folder):
        return run_experiment(
            open_experiment("heads"), subject, QUICK, folder / "results", f"nanoscope heads {path}", progress
        )


def kept(folder: Path, sha256: str) -> Result | None:
    """The newest result of today's experiment `heads` on a checkpoint of this checksum in `folder/results`; None if there is
    none."""
    version = open_experiment("heads").version
    found = []
    for path in sorted((folder / "results").glob("heads-*/result.json")):
        written = json.loads(path.read_text())
        if written["identity"]["checkpoint"] == sha256 and written["identity"]["version"] == version:
            found.append((written["provenance"].get("time", ""), path.parent))
    return load_result(max(found)[1]) if found else None


def seconds(checkpoint: Checkpoint) -> float:
    """About how long measuring takes here: the faster of two forward passes, the first of which also warms up."""
    tokens = torch.zeros(WINDOWS, checkpoint.model.config.block_size, dtype=torch.long)
    return FORWARDS * min(_time_of(checkpoint, tokens) for _ in range(2))


def _time_of(checkpoint: Checkpoint, tokens: Tensor) -> float:
    began = time.perf_counter()
    run(checkpoint.model, tokens)
    return time.perf_counter() - began
