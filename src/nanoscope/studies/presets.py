"""The presets: which models a study trains, which comparisons it makes, and how much is measured on each.

A recipe is what decides a training; a `Study` is a list of members, each a model with the experiments that run on it,
and of comparisons, each an experiment that reads the members' results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nanoscope.experiments.emergence.measure import Params as Emergence
from nanoscope.experiments.evolution.measure import Params as Evolution
from nanoscope.experiments.failures.measure import QUICK as QUICK_FAILURES
from nanoscope.experiments.failures.measure import Params as Failures
from nanoscope.experiments.heads.measure import QUICK as QUICK_HEADS
from nanoscope.experiments.heads.measure import Params as Heads
from nanoscope.experiments.induction.measure import QUICK
from nanoscope.experiments.induction.measure import Params as Induction
from nanoscope.experiments.lenses.measure import QUICK as QUICK_LENSES
from nanoscope.experiments.lenses.measure import Params as Lenses
from nanoscope.experiments.neurons.measure import QUICK as QUICK_NEURONS
from nanoscope.experiments.neurons.measure import Params as Neurons
from nanoscope.experiments.replication.measure import Params as Replication
from nanoscope.experiments.scale.measure import Params as Scale
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.experiments.universality.measure import Params as Universality
from nanoscope.model.config import GPTConfig
from nanoscope.training.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One model of a study. Without a recipe it is the planted model."""

    name: str
    label: str
    role: str
    recipe: Recipe | None
    experiments: Mapping[str, Any]
    """Experiment name -> its settings for this model."""
    corpus: str | None = None
    """A named corpus that it is trained and measured on; None: the study's."""
    released: bool = False
    """Its end is published in half precision, and what is published is what is analysed."""
    twins: tuple[str, ...] = ()
    """Names of other trainings of its recipe, with which `TWINNED` experiments compare it."""
    family: str | None = None
    """What it and the trainings that differ from it in their seed alone are called."""


@dataclass(frozen=True)
class Compared:
    """One experiment over the results of several members."""

    experiment: str
    label: str
    members: tuple[str, ...]
    """Their names."""
    params: Any


@dataclass(frozen=True)
class Study:
    """A named list of models with what is measured on each, and what is compared between them."""

    name: str
    members: tuple[Member, ...]
    comparisons: tuple[Compared, ...] = ()


QUICK_MODEL = Recipe(
    GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64),
    iterations=1500,
    batch_size=12,
    min_learning_rate=1e-4,
)
ECHO_CONTROL = Recipe(
    GPTConfig(n_layer=2, n_head=4, n_embd=128, block_size=64, attention_only=True),
    iterations=1800,
    batch_size=32,
    data="echo",
    learning_rate=3e-3,
    min_learning_rate=3e-3,
    weight_decay=0.0,
    checkpoint_every=10,
    dense_until=0,
)
SHAKESPEARE = Recipe(GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=128, dropout=0.2), precision="bfloat16")
"""In bfloat16 autocast, as nanoGPT trains it."""
SHAKESPEARE_CPU = replace(SHAKESPEARE, batch_size=12, iterations=3000)

RECIPES = {
    "quick": QUICK_MODEL,
    "control": ECHO_CONTROL,
    "shakespeare": SHAKESPEARE,
    "shakespeare-cpu": SHAKESPEARE_CPU,
}
PLANTED_PARAMS = Induction(
    sequences=16,
    patch_examples=8,
    natural_examples=32,
    windows=30,
    permutations=100,
    random_models=1,
    random_sets=4,
    null_draws=20,
)


FULL: dict[str, Any] = {
    "induction": Induction(),
    "snapshot": Snapshot(),
    "emergence": Emergence(),
    "heads": Heads(),
    "lenses": Lenses(),
    "neurons": Neurons(),
    "failures": Failures(),
}
FEW: dict[str, Any] = {
    "induction": QUICK,
    "snapshot": Snapshot(sequences=8, windows=32),
    "emergence": Emergence(),
    "heads": QUICK_HEADS,
    "lenses": QUICK_LENSES,
    "neurons": QUICK_NEURONS,
    "failures": QUICK_FAILURES,
}
MANY = {
    **FEW,
    "snapshot": Snapshot(sequences=12, windows=64),
    "induction": replace(QUICK, sequences=64, natural_examples=256),
}
"""For each of several trainings: what counts is how they differ, so each gets fewer examples; but a gain or an absence on
ordinary text is small beside its noise, and gets as many as the published findings."""
CONTROL_MANY = {**MANY, "induction": replace(QUICK, patch_examples=64)}
FEW_CONTROL = {**FEW, "induction": replace(QUICK, patch_examples=64)}

SEEDS = tuple(range(1, 9))
"""A sign test over trainings takes six; eight leave room."""
SIZE_ITERATIONS = 2000
WIDE, WIDE_RATE = 256, 1e-3
"""From this width on the control's task is trained at this rate: at the control's own none of nine trainings learned it."""
TWINNED: dict[str, Any] = {"universality": Universality()}
TWIN_SEEDS = (2, 3, 4, 5)
"""Five trainings in all, as many as Gurnee et al. compared."""
COMPARISONS: dict[str, Any] = {"evolution": Evolution(), "replication": Replication(), "scale": Scale()}


def _planted() -> Member:
    return Member("planted", "the planted model", "planted", None, {"induction": PLANTED_PARAMS})


def _control(seed: int, settings: Mapping[str, Any]) -> Member:
    recipe = replace(ECHO_CONTROL, seed=seed)
    without = ("neurons", "failures")  # it has no MLPs, and copies where finding 4d asks for errors on ordinary text
    settings = {name: params for name, params in settings.items() if name not in without}
    family = "the echo control"
    return Member(f"control-{seed}", f"{family}, seed {seed}", "control", recipe, settings, family=family)


def _model(preset: str, seed: int, settings: Mapping[str, Any]) -> Member:
    family, recipe = f"the {preset} model", replace(RECIPES[preset], seed=seed)
    return Member(f"{preset}-{seed}", f"{family}, seed {seed}", "model", recipe, settings, family=family)


def _other_text(corpus: str, settings: Mapping[str, Any]) -> Member:
    """The same recipe as `shakespeare-cpu`, trained and measured on another text."""
    family = f"the {corpus} model"
    return Member(f"{corpus}-1", f"{family}, seed 1", "other data", SHAKESPEARE_CPU, settings, corpus, family=family)


def _size(task: str, layers: int, width: int, seed: int) -> Member:
    """One cell of the range of sizes: heads of width 32, on the text or on the control's task."""
    recipe = QUICK_MODEL if task == "text" else ECHO_CONTROL
    model = replace(recipe.model, n_layer=layers, n_embd=width, n_head=width // 32)
    if task == "echo" and width >= WIDE:
        recipe = replace(recipe, learning_rate=WIDE_RATE, min_learning_rate=WIDE_RATE)
    end = replace(recipe, model=model, seed=seed, iterations=SIZE_ITERATIONS, checkpoint_every=SIZE_ITERATIONS)
    family, recipe = (
        f"{layers} layer{'s' * (layers > 1)} of width {width} on the {task} task",
        replace(end, dense_until=0),
    )
    name, settings = f"{task}-{layers}x{width}-{seed}", {"snapshot": Snapshot()}
    return Member(name, f"{family}, seed {seed}", "size", recipe, settings, family=family)


def _sizes() -> tuple[Member, ...]:
    cells = Scale()
    return tuple(
        _size(task, layers, width, seed)
        for seed in cells.seeds
        for task in ("text", "echo")
        for layers in cells.layers
        for width in cells.widths
    )


def _compared(label: str, members: Sequence[Member], *experiments: str) -> tuple[Compared, ...]:
    names = tuple(member.name for member in members)
    return tuple(Compared(name, label, names, COMPARISONS[name]) for name in experiments)


def _published(preset: str, settings: Mapping[str, Any], control: Mapping[str, Any]) -> Study:
    """Everything: eight trainings of the model and of the control, the planted model, other texts, all sizes."""
    first, *further = (_model(preset, seed, settings) for seed in SEEDS)
    twins = tuple(f"{preset}-{seed}" for seed in TWIN_SEEDS)
    first = replace(first, released=True, twins=twins, experiments={**settings, **TWINNED})
    models = (first, *further)
    controls = tuple(_control(seed, control) for seed in SEEDS)
    others = tuple(_other_text(corpus, settings) for corpus in ("code", "wiki"))
    comparisons = (
        *_compared(f"the {preset} models", models, "evolution", "replication"),
        *_compared("the echo controls", controls, "evolution", "replication"),
        *_compared("models of nine sizes", _sizes(), "scale"),
    )
    return Study(preset, (*models, *controls, _planted(), *others, *_sizes()), comparisons)


def only(study: Study, seeds: int, leave_out: Sequence[str] = ()) -> Study:
    """A part of a study: the first so many trainings of each kind, and without some members (by name or its beginning).

    Comparisons are of what is left; one of less than two trainings is left out.
    """
    left = tuple(
        member
        for member in study.members
        if (member.recipe is None or member.recipe.seed <= seeds)
        and not any(member.name.startswith(name) for name in leave_out)
    )
    names = {member.name for member in left}
    kept = tuple(_with_twins(member, names) for member in left)
    compared = [replace(one, members=tuple(name for name in one.members if name in names)) for one in study.comparisons]
    return Study(study.name, kept, tuple(one for one in compared if len(one.members) > 1))


def _with_twins(member: Member, names: Collection[str]) -> Member:
    """The member with those of its twins that are left; without any it is compared with none."""
    twins = tuple(name for name in member.twins if name in names)
    alone = {name: params for name, params in member.experiments.items() if name not in TWINNED}
    return replace(member, twins=twins, experiments=member.experiments if twins else alone)


STUDIES = {
    "quick": Study("quick", (_model("quick", 1, FEW), _control(1, FEW_CONTROL), _planted())),
    "control": Study(
        "control",
        tuple(_control(seed, CONTROL_MANY) for seed in SEEDS),
        _compared("the echo controls", [_control(seed, CONTROL_MANY) for seed in SEEDS], "evolution", "replication"),
    ),
    "scale": Study("scale", _sizes(), _compared("models of nine sizes", _sizes(), "scale")),
    "code": Study("code", (_other_text("code", FULL),)),
    "wiki": Study("wiki", (_other_text("wiki", FULL),)),
    "shakespeare": _published("shakespeare", FULL, FULL),
    "shakespeare-cpu": _published("shakespeare-cpu", MANY, CONTROL_MANY),
}
