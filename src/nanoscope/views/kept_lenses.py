"""Tuned lenses that were fitted, kept on disk, so that a checkpoint that is opened again has its lens at once.

A file is named by the checksum of the checkpoint, and by that of the text and the settings of the fit. It holds the
translation (`layers x width x width` numbers) and the course of the fit; one that cannot be read is fitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nanoscope import files
from nanoscope.analysis.prediction.tuned_lens import Fit, Translation
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.evidence.sweep import Sweep
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views.lens import FIT, FIT_WINDOWS, HELD_OUT_WINDOWS, fitted

LENSES = "lenses"
DIGITS = 16
"""Of a checksum, in a file's name."""


def is_there_any(folder: Path, checkpoint: Checkpoint) -> bool:
    """Whether a lens of a checkpoint is kept, on whatever text it was fitted."""
    return bool(checkpoint.sha256) and any((folder / LENSES).glob(f"{checkpoint.sha256[:DIGITS]}-*.safetensors"))


def kept(folder: Path, checkpoint: Checkpoint, corpus: Corpus) -> Fit | None:
    """The lens of a checkpoint that was fitted on a text; None if none is kept."""
    path = _path(folder, checkpoint, corpus)
    if not checkpoint.sha256 or not path.exists():
        return None
    try:
        found = _read(safetensors.torch.load(path.read_bytes()))
    except (OSError, ValueError, KeyError, SafetensorError):
        return None
    config = checkpoint.model.config
    fits = found.translation.weights.shape == (config.n_layer, config.n_embd, config.n_embd)
    return found if fits else None


def fitted_once(folder: Path, checkpoint: Checkpoint, corpus: Corpus, progress: Progress = silent) -> Fit:
    """The lens of a checkpoint, as it is kept, else fitted now and kept; of a checkpoint without checksum only fitted."""
    found = kept(folder, checkpoint, corpus)
    if found is None:
        found = fitted(checkpoint, corpus, progress)
        if checkpoint.sha256:
            files.write_bytes(_path(folder, checkpoint, corpus), safetensors.torch.save(_written(found)))
    return found


def _path(folder: Path, checkpoint: Checkpoint, corpus: Corpus) -> Path:
    settings = {"text": corpus.sha256, **asdict(FIT), "windows": (FIT_WINDOWS, HELD_OUT_WINDOWS)}
    how = files.sha256(files.canonical_json(settings).encode())
    return folder / LENSES / f"{checkpoint.sha256[:DIGITS]}-{how[:DIGITS]}.safetensors"


def _written(fit: Fit) -> dict[str, Tensor]:
    return {
        "weights": fit.translation.weights.detach().cpu().contiguous(),
        "biases": fit.translation.biases.detach().cpu().contiguous(),
        "course": torch.from_numpy(fit.course.values.copy()),
        "looks": torch.tensor(fit.course.labels("look")),
        "stopped": torch.tensor(fit.stopped),
    }


def _read(values: Mapping[str, Tensor]) -> Fit:
    looks = tuple(values["looks"].tolist())
    course = Sweep(values["course"].numpy(), ("look", "layer"), "nats", {"look": looks})
    return Fit(Translation(values["weights"], values["biases"]), course, bool(values["stopped"]))
