"""The table of experiments: name -> (module, question). Nothing is imported until one is opened."""

from importlib import import_module
from typing import TYPE_CHECKING

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.experiments.experiment import Experiment

EXPERIMENTS: dict[str, tuple[str, str]] = {
    "induction": ("nanoscope.experiments.induction", "Do induction heads form, and do they do the work?"),
    "snapshot": ("nanoscope.experiments.snapshot", "What can a checkpoint do, in a few numbers?"),
    "emergence": ("nanoscope.experiments.emergence", "When in training do induction heads appear, and what else does?"),
    "heads": ("nanoscope.experiments.heads", "What does each attention head do?"),
    "lenses": ("nanoscope.experiments.lenses", "How do predictions form, through the layers and through training?"),
    "neurons": ("nanoscope.experiments.neurons", "What do the hidden units know?"),
    "universality": ("nanoscope.experiments.universality", "Do other trainings grow the same neurons?"),
    "evolution": ("nanoscope.experiments.evolution", "How do circuits evolve, and do all trainings go the same way?"),
    "scale": ("nanoscope.experiments.scale", "How small can a model be?"),
    "replication": ("nanoscope.experiments.replication", "What replicates across trainings?"),
    "failures": ("nanoscope.experiments.failures", "Can circuit measurements predict the model's failures?"),
}


def open_experiment(name: str) -> "Experiment":
    """The experiment of that name, with everything it declares."""
    if name not in EXPERIMENTS:
        raise NanoscopeError(f"there is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    return import_module(EXPERIMENTS[name][0]).EXPERIMENT
