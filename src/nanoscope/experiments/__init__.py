"""The experiments' names, which are also their modules' names. An experiment is imported only when it is opened."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.experiments.experiment import Experiment

EXPERIMENTS = (
    "profile",
    "induction",
    "snapshot",
    "emergence",
    "heads",
    "lenses",
    "neurons",
    "universality",
    "evolution",
    "scale",
    "formation",
    "doses",
    "replication",
    "failures",
    "circuits",
    "consensus",
    "features",
)


def open_experiment(name: str) -> "Experiment[Any, Any]":
    """The declaration of the experiment with this name; NanoscopeError if there is none."""
    if name not in EXPERIMENTS:
        raise NanoscopeError(f"there is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    return import_module(f"{__name__}.{name}").EXPERIMENT
