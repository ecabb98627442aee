"""The design of a study: its members, each a model with the experiments that run on it, and its comparisons, experiments
that read the members' results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nanoscope.training.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One model of a study. Without a recipe it is the hand-built model."""

    name: str
    label: str
    role: str
    recipe: Recipe | None
    experiments: Mapping[str, object]
    """Experiment name -> its settings for this model."""
    corpus: str | None = None
    """Named corpus for training and measuring; None for the study's."""
    released: bool = False
    """Whether the final model is released in half precision; then the released model is analysed."""
    twins: tuple[str, ...] = ()
    """Names of other trainings of its recipe, for comparison by experiments that are `twinned`."""
    family: str | None = None
    """Common name of the trainings that differ only in their seed."""


@dataclass(frozen=True)
class ComparisonPlan:
    """One experiment on the results of several members."""

    experiment: str
    label: str
    members: tuple[str, ...]
    """Names of the members."""
    params: object


@dataclass(frozen=True)
class StudyDesign:
    """A named list of models with their experiments, and comparisons between models."""

    name: str
    members: tuple[Member, ...]
    comparisons: tuple[ComparisonPlan, ...] = ()
