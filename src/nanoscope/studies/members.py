"""What a study is: a list of members, each a model with the experiments that run on it, and of comparisons, each an
experiment that reads the members' results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nanoscope.training.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One model of a study. Without a recipe it is the planted model."""

    name: str
    label: str
    role: str
    recipe: Recipe | None
    experiments: Mapping[str, object]
    """Experiment name -> its settings for this model."""
    corpus: str | None = None
    """A named corpus that it is trained and measured on; None: the study's."""
    released: bool = False
    """Its end is published in half precision, and what is published is what is analysed."""
    twins: tuple[str, ...] = ()
    """Names of other trainings of its recipe, with which experiments that are `twinned` compare it."""
    family: str | None = None
    """What it and the trainings that differ from it in their seed alone are called."""


@dataclass(frozen=True)
class ComparisonPlan:
    """One experiment over the results of several members."""

    experiment: str
    label: str
    members: tuple[str, ...]
    """Their names."""
    params: object


@dataclass(frozen=True)
class StudyDesign:
    """A named list of models with what is measured on each, and what is compared between them."""

    name: str
    members: tuple[Member, ...]
    comparisons: tuple[ComparisonPlan, ...] = ()
