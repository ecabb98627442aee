"""Plan a study: the graph of its stages, known before anything runs.

A recipe fixes the iterations of its checkpoints, so even the stages of single checkpoints are planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nanoscope.errors import NanoscopeError
from nanoscope.experiments import open_experiment
from nanoscope.studies.members import ComparisonPlan, Member, StudyDesign
from nanoscope.studies.stages import Analysis, Comparison, Stage, Training
from nanoscope.training.recipe import Recipe, scheduled

PER_CHECKPOINT = ("snapshot",)
"""Experiments that run on every checkpoint of a training."""
KINDS = ("train", "snapshot", "analyse", "compare")

StageNames = Mapping[str, tuple[str, ...]]
"""Experiment -> names of the stages that run it on one member."""


@dataclass(frozen=True)
class StudyPlan:
    """All stages of a study, grouped by kind, and the names of those whose results the report reads, in its order: snapshots
    and what else has no claims are only for the comparisons that read them."""

    stages: tuple[Stage, ...]
    results: tuple[str, ...]
    snapshots: tuple[str, ...]


def plan_study(study: StudyDesign) -> StudyPlan:
    """The stages of a study and their dependencies."""
    made = {member.name: _made(member) for member in study.members}
    members = {member.name: member for member in study.members}
    if len(made) < len(study.members):
        raise NanoscopeError(f"two members of the study {study.name} have the same name; member names must be unique")
    own = [stage for member in study.members for stage in _of_member(member, made[member.name], members)]
    between = [_between(compared, study, made) for compared in study.comparisons]
    stages = sorted([*own, *between], key=lambda stage: KINDS.index(stage.kind))
    results = [name for names in made.values() for e, ns in names.items() if _told(e) for name in ns]
    results += [stage.name for stage in between]
    return StudyPlan(tuple(stages), tuple(results), tuple(stage.name for stage in stages if stage.kind == "snapshot"))


def _told(experiment: str) -> bool:
    """Whether the report reads an experiment's results on single models."""
    return experiment not in PER_CHECKPOINT and bool(open_experiment(experiment).claims)


def steps_of(recipe: Recipe | None) -> tuple[int, ...]:
    """The iterations after which a training writes a checkpoint."""
    return tuple(step for step in range(recipe.iterations + 1) if scheduled(recipe, step)) if recipe else ()


def _made(member: Member) -> StageNames:
    """The names of the stages of each of a member's experiments."""
    each = {name: [f" at {step}" for step in steps_of(member.recipe)] for name in PER_CHECKPOINT}
    return {
        name: tuple(f"{name} of {member.name}{which}" for which in each.get(name, [""])) for name in member.experiments
    }


def _of_member(member: Member, made: StageNames, members: Mapping[str, Member]) -> list[Stage]:
    trained = _training(member)
    needs = tuple(stage.name for stage in trained)
    stages = trained
    for experiment, names in made.items():
        if experiment in PER_CHECKPOINT:
            steps = steps_of(member.recipe)
            works = [Analysis(member, experiment, step) for step in steps]
            stages += [Stage(n, "snapshot", member.label, w, needs) for n, w in zip(names, works, strict=True)]
        elif reads := open_experiment(experiment).reads:
            read = _read(experiment, reads, member.label, [made])
            work = Comparison(experiment, member.experiments[experiment], member.label, read, member)
            stages.append(Stage(names[0], "compare", member.label, work, needs + read))
        else:
            twins = tuple(members[name] for name in member.twins) if open_experiment(experiment).twinned else ()
            also = tuple(stage.name for twin in twins for stage in _training(twin))
            work = Analysis(member, experiment, twins=twins)
            stages.append(Stage(names[0], "analyse", member.label, work, needs + also))
    return stages


def _training(member: Member) -> list[Stage]:
    if member.recipe is None:
        return []
    return [Stage(f"train {member.name}", "train", member.label, Training(member))]


def _between(compared: ComparisonPlan, study: StudyDesign, made: Mapping[str, StageNames]) -> Stage:
    missing = [name for name in compared.members if name not in made]
    if missing:
        raise NanoscopeError(f"{compared.label}: the study {study.name} has no member {missing[0]}")
    reads = open_experiment(compared.experiment).reads
    read = _read(compared.experiment, reads, compared.label, [made[name] for name in compared.members])
    work = Comparison(compared.experiment, compared.params, compared.label, read)
    return Stage(f"{compared.experiment} over {compared.label}", "compare", compared.label, work, read)


def _read(experiment: str, reads: tuple[str, ...], label: str, made: list[StageNames]) -> tuple[str, ...]:
    """Names of the stages whose results a comparison reads, model by model."""
    found = tuple(name for names in made for one, stages in names.items() if one in reads for name in stages)
    if not found:
        raise NanoscopeError(f"{experiment} of {label} reads {' and '.join(reads)}, but none of them is in the study")
    return found
