"""nanoscope: a microscope for nanoGPT.

`import nanoscope as ns` is fast: names, subpackages and their modules are imported on first use. `dir(ns)` and tab completion
list them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nanoscope import (
        analysis,
        checkpoints,
        dictionaries,
        evidence,
        experiments,
        interventions,
        model,
        planted,
        plots,
        report,
        statistics,
        studies,
        tasks,
        text,
        training,
        views,
    )
    from nanoscope.analysis import attention as heads
    from nanoscope.analysis import features, neurons
    from nanoscope.analysis.causal import patching
    from nanoscope.analysis.prediction import logit_lens as lens
    from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
    from nanoscope.checkpoints.exports import export
    from nanoscope.dashboard.notebook import show
    from nanoscope.errors import NanoscopeError
    from nanoscope.evidence.finding import Criterion, Finding
    from nanoscope.evidence.result import Result
    from nanoscope.evidence.stored_study import read_study
    from nanoscope.evidence.sweep import Sweep
    from nanoscope.interventions.edits import (
        Edit,
        Transform,
        add,
        edit,
        freeze,
        mean,
        patch,
        project_out,
        resample,
        scale,
        zero,
    )
    from nanoscope.interventions.generate import generate
    from nanoscope.interventions.run import Cache, gradients, run
    from nanoscope.model.config import GPTConfig
    from nanoscope.model.gpt import GPT
    from nanoscope.model.names import component
    from nanoscope.model.sites import AXES, Site
    from nanoscope.statistics import intervals as stats
    from nanoscope.studies import run as study
    from nanoscope.tasks import metrics
    from nanoscope.tasks.task import Task
    from nanoscope.text import ngrams
    from nanoscope.text.corpora import Corpus, open_corpus
    from nanoscope.text.ngrams import NGrams
    from nanoscope.training import loop as train

_EXPORTS = {
    "nanoscope.checkpoints.checkpoint": ("Checkpoint", "load", "save"),
    "nanoscope.checkpoints.exports": ("export",),
    "nanoscope.dashboard.notebook": ("show",),
    "nanoscope.errors": ("NanoscopeError",),
    "nanoscope.evidence.finding": ("Criterion", "Finding"),
    "nanoscope.evidence.result": ("Result",),
    "nanoscope.evidence.sweep": ("Sweep",),
    "nanoscope.evidence.stored_study": ("read_study",),
    "nanoscope.interventions.edits": (
        *("Edit", "Transform", "add", "edit", "freeze", "mean", "patch", "project_out", "resample", "scale", "zero"),
    ),
    "nanoscope.interventions.generate": ("generate",),
    "nanoscope.interventions.run": ("Cache", "gradients", "run"),
    "nanoscope.model.config": ("GPTConfig",),
    "nanoscope.model.gpt": ("GPT",),
    "nanoscope.model.names": ("component",),
    "nanoscope.model.sites": ("AXES", "Site"),
    "nanoscope.tasks.task": ("Task",),
    "nanoscope.text.corpora": ("Corpus", "open_corpus"),
    "nanoscope.text.ngrams": ("NGrams",),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}
_SUBPACKAGES = (
    "analysis",
    "checkpoints",
    "dictionaries",
    "evidence",
    "experiments",
    "interventions",
    "model",
    "planted",
    "plots",
    "report",
)
_SUBPACKAGES += ("statistics", "studies", "tasks", "text", "training", "views")
_MODULES = {
    **{name: f"nanoscope.{name}" for name in _SUBPACKAGES},
    "features": "nanoscope.analysis.features",
    "heads": "nanoscope.analysis.attention",
    "lens": "nanoscope.analysis.prediction.logit_lens",
    "metrics": "nanoscope.tasks.metrics",
    "neurons": "nanoscope.analysis.neurons",
    "ngrams": "nanoscope.text.ngrams",
    "patching": "nanoscope.analysis.causal.patching",
    "stats": "nanoscope.statistics.intervals",
    "study": "nanoscope.studies.run",
    "train": "nanoscope.training.loop",
}

__all__ = ["__version__", *sorted((*_MODULE_OF, *_MODULES))]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"nanoscope has no {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
