"""The experiments' names, which are those of their modules. Nothing is imported until one is opened."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.experiments.experiment import Experiment

EXPERIMENTS = (
    "induction",
    "snapshot",
    "emergence",
    "heads",
    "lenses",
    "neurons",
    "universality",
    "evolution",
    "scale",
    "replication",
    "failures",
)


def open_experiment(name: str) -> "Experiment[Any, Any]":
    """The experiment of that name, with everything it declares."""
    if name not in EXPERIMENTS:
        raise NanoscopeError(f"there is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    return import_module(f"{__name__}.{name}").EXPERIMENT
