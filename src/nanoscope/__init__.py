"""nanoscope: a microscope for nanoGPT.

`import nanoscope as ns` loads nothing heavy: each name is imported from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nanoscope.activations import Cache, gradients, run
    from nanoscope.checkpoint import Checkpoint, export, load, save
    from nanoscope.corpora import Corpus, open_corpus
    from nanoscope.edits import Edit, add, freeze, mean, patch, resample, zero
    from nanoscope.errors import NanoscopeError
    from nanoscope.findings import Criterion, Finding
    from nanoscope.model import GPT, GPTConfig
    from nanoscope.ngrams import NGrams
    from nanoscope.results import Result, Sweep
    from nanoscope.sites import Site
    from nanoscope.tasks import Task

_HOME = {
    "nanoscope.checkpoint": ("Checkpoint", "export", "load", "save"),
    "nanoscope.corpora": ("Corpus", "open_corpus"),
    "nanoscope.edits": ("Edit", "add", "freeze", "mean", "patch", "resample", "zero"),
    "nanoscope.errors": ("NanoscopeError",),
    "nanoscope.findings": ("Criterion", "Finding"),
    "nanoscope.model": ("GPT", "GPTConfig"),
    "nanoscope.ngrams": ("NGrams",),
    "nanoscope.results": ("Result", "Sweep"),
    "nanoscope.activations": ("Cache", "gradients", "run"),
    "nanoscope.sites": ("Site",),
    "nanoscope.tasks": ("Task",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_SUBMODULES = (
    "analysis",
    "experiments",
    "metrics",
    "ngrams",
    "planted",
    "plots",
    "report",
    "stats",
    "study",
    "tasks",
    "train",
)

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    if name in _SUBMODULES:
        return import_module(f"nanoscope.{name}")
    raise AttributeError(f"nanoscope has no {name!r}")
