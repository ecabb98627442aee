"""The presets: the models, comparisons and amounts of measurement of each study.

An experiment declares its amounts (`quick` ...); this module assigns them to models. What is published is measured in full.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nanoscope.errors import NanoscopeError
from nanoscope.experiments import EXPERIMENTS, open_experiment
from nanoscope.studies.members import ComparisonPlan, Member, StudyDesign
from nanoscope.studies.recipes import ECHO_CONTROL, QUICK_MODEL, RECIPES, SHAKESPEARE_CPU

SEEDS = tuple(range(1, 7))
"""The fewest trainings of which a sign test can tell anything."""
SIZE_ITERATIONS = 2000
DOSES = "doses of copying"
WIDE, WIDE_RATE = 256, 1e-3
"""Learning rate of the control's task from this width on: at the control's own rate none of nine trainings learned it."""
DOSE_CHECKPOINTS = 100
TWIN_SEEDS = (2, 3, 4, 5)
"""With seed 1 these are five trainings, as many as Gurnee et al. compared."""


APART = ("features", "formation")
"""Experiments that are not run on every model: one trains dictionaries, which takes long; one is of doses."""


def settings(*amounts: str) -> dict[str, object]:
    """Settings of every single-model experiment of a study: the first of these amounts that it declares, else its default."""
    opened = (open_experiment(name) for name in EXPERIMENTS if name not in APART)
    return {one.name: one.setting(*amounts) for one in opened if one.of_training or not (one.reads or one.twinned)}


FULL = settings()
"""For everything that is published: each training's own uncertainty is part of what is said about trainings."""
SPREAD = {name: params for name, params in settings("end", "large").items() if name not in ("circuits", "neurons")}
"""For trainings that tell how results vary: of the finished model, but circuits and neurons, which `universality` compares.
Their checkpoints are read by `emergence` alone, in fewer windows each: what is told of these trainings is their mean."""
CONTROL = {**FULL, "snapshot": open_experiment("snapshot").setting("dense")}
"""For models of known answer. Their many checkpoints are read on less ordinary text, which they were not trained on."""
ELSEWHERE = {name: SPREAD[name] for name in ("induction", "heads")}
"""For one training on another text: whether it copies, and which heads do."""
FEW = settings("quick")
FEW_CONTROL = settings("control", "quick")


def _planted() -> Member:
    measured = {name: open_experiment(name).setting("planted") for name in ("induction", "circuits")}
    return Member("planted", "the planted model", "planted", None, measured)


def _control(seed: int, settings: Mapping[str, object]) -> Member:
    recipe = replace(ECHO_CONTROL, seed=seed)
    without = ("neurons", "failures")  # it has no MLPs, and finding 4d concerns errors on ordinary text
    settings = {name: params for name, params in settings.items() if name not in without}
    family = "the echo control"
    return Member(f"control-{seed}", f"{family}, seed {seed}", "control", recipe, settings, family=family)


def _controls() -> tuple[Member, ...]:
    """One for every training of the model; released, since they are small, so that each can be checked from its weights."""
    return tuple(replace(_control(seed, CONTROL), released=True) for seed in SEEDS)


def _model(preset: str, seed: int, settings: Mapping[str, object]) -> Member:
    family, recipe = f"the {preset} model", replace(RECIPES[preset], seed=seed)
    return Member(f"{preset}-{seed}", f"{family}, seed {seed}", "model", recipe, settings, family=family)


def _other_text(corpus: str, settings: Mapping[str, object]) -> Member:
    """The same recipe as `shakespeare-cpu`, trained and measured on another text."""
    family = f"the {corpus} model"
    return Member(f"{corpus}-1", f"{family}, seed 1", "other data", SHAKESPEARE_CPU, settings, corpus, family=family)


def _size(task: str, layers: int, width: int, seed: int) -> Member:
    """One model of the range of sizes, with heads of width 32, on the text or on the control's task."""
    recipe = QUICK_MODEL if task == "text" else ECHO_CONTROL
    model = replace(recipe.model, n_layer=layers, n_embd=width, n_head=width // 32)
    if task == "echo" and width >= WIDE:
        recipe = replace(recipe, learning_rate=WIDE_RATE, min_learning_rate=WIDE_RATE)
    end = replace(recipe, model=model, seed=seed, iterations=SIZE_ITERATIONS, checkpoint_every=SIZE_ITERATIONS)
    family = f"{layers} layer{'s' * (layers > 1)} of width {width} on the {task} task"
    recipe, name = replace(end, dense_until=0), f"{task}-{layers}x{width}-{seed}"
    settings = {"snapshot": FULL["snapshot"]}
    return Member(name, f"{family}, seed {seed}", "size", recipe, settings, family=family)


def _sizes() -> tuple[Member, ...]:
    cells: Any = open_experiment("scale").setting()
    return tuple(
        _size(task, layers, width, seed)
        for seed in cells.seeds
        for task in ("text", "echo")
        for layers in cells.layers
        for width in cells.widths
    )


def _dose(copied: float, seed: int, cells: Any) -> Member:
    """The control with a copy in only a share of its windows, trained longer; measured at checkpoints 100 iterations apart,
    which bracket even the control's own formation (from iteration 1,100 on) within 10 %."""
    recipe = replace(
        ECHO_CONTROL, copied=copied, seed=seed, iterations=cells.iterations, checkpoint_every=DOSE_CHECKPOINTS
    )
    family = f"the echo control with a copy in {copied:.0%} of its windows"
    settings = {"formation": open_experiment("formation").setting()}
    return Member(f"dose-{copied:.2f}-{seed}", f"{family}, seed {seed}", "dose", recipe, settings, family=family)


def doses(cells: Any) -> tuple[Member, ...]:
    """The doses that the law is fitted to; the held-out ones only once a law is committed (`experiments.doses.prediction`)."""
    copied_shares = (*cells.fitted, *(cells.held_out if cells.law else ()))
    return tuple(_dose(copied, seed, cells) for seed in cells.seeds for copied in copied_shares)


def _compared(label: str, members: Sequence[Member], *experiments: str) -> tuple[ComparisonPlan, ...]:
    names = tuple(member.name for member in members)
    return tuple(ComparisonPlan(name, label, names, open_experiment(name).setting()) for name in experiments)


def _published() -> StudyDesign:
    """The full study: the canonical model, whose values are told; trainings of the shorter recipe, which tell how results vary;
    as many of the control; the hand-built model, one on another text, all sizes, all doses of copying."""
    canonical = _model("shakespeare", 1, {**FULL, "features": open_experiment("features").setting()})
    canonical = replace(canonical, released=True)
    first, *further = (_model("shakespeare-cpu", seed, SPREAD) for seed in SEEDS)
    twins = tuple(f"shakespeare-cpu-{seed}" for seed in TWIN_SEEDS)
    twinned = {"universality": open_experiment("universality").setting()}
    first = replace(first, released=True, twins=twins, experiments={**SPREAD, **twinned})
    models = (first, *further)
    controls = _controls()
    comparisons = (
        *_compared("the shakespeare-cpu models", models, "evolution", "replication"),
        *_compared("the echo controls", controls, "evolution", "replication", "consensus"),
        *_compared("models of nine sizes", _sizes(), "scale"),
        *_compared(DOSES, _DOSES, "doses"),
    )
    members = (canonical, *models, *controls, _planted(), _other_text("code", ELSEWHERE), *_sizes(), *_DOSES)
    return StudyDesign("published", members, comparisons)


def only(study: StudyDesign, seeds: int, leave_out: Sequence[str] = ()) -> StudyDesign:
    """A part of a study: trainings with seeds up to `seeds`, without the members whose names start with one of `leave_out`.

    Comparisons keep the remaining members; those with fewer than two are dropped. NanoscopeError for a name that no member has.
    """
    for name in leave_out:
        if not any(member.name.startswith(name) for member in study.members):
            kinds = ", ".join(dict.fromkeys(member.name.split("-")[0] for member in study.members))
            raise NanoscopeError(
                f"no model's name starts with {name!r}, so it cannot be left out; they start with {kinds}"
            )
    left = tuple(
        member
        for member in study.members
        if (member.recipe is None or member.recipe.seed <= seeds)
        and not any(member.name.startswith(name) for name in leave_out)
    )
    names = {member.name for member in left}
    kept = tuple(_with_twins(member, names) for member in left)
    compared = [replace(one, members=tuple(name for name in one.members if name in names)) for one in study.comparisons]
    return StudyDesign(study.name, kept, tuple(one for one in compared if len(one.members) > 1))


def _with_twins(member: Member, names: Collection[str]) -> Member:
    """The member with its remaining twins; without any, its `twinned` experiments are dropped."""
    twins = tuple(name for name in member.twins if name in names)
    alone = {name: params for name, params in member.experiments.items() if not open_experiment(name).twinned}
    return replace(member, twins=twins, experiments=member.experiments if twins else alone)


_DOSES = doses(open_experiment("doses").setting())
STUDIES = {
    "quick": StudyDesign("quick", (_model("quick", 1, FEW), _control(1, FEW_CONTROL), _planted())),
    "control": StudyDesign(
        "control",
        (*_controls(), _planted()),
        _compared("the echo controls", _controls(), "evolution", "replication", "consensus"),
    ),
    "scale": StudyDesign("scale", _sizes(), _compared("models of nine sizes", _sizes(), "scale")),
    "doses": StudyDesign("doses", _DOSES, _compared(DOSES, _DOSES, "doses")),
    "code": StudyDesign("code", (_other_text("code", SPREAD),)),
    "wiki": StudyDesign("wiki", (_other_text("wiki", SPREAD),)),
    "published": _published(),
}
