"""The presets: which models a study trains, which comparisons it makes, and how much is measured on each.

A recipe is what decides a training; a `Study` is a list of members, each a model with the experiments that run on it,
and of comparisons, each an experiment that reads the members' results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nanoscope.experiments.emergence.measure import Params as Emergence
from nanoscope.experiments.heads.measure import QUICK as QUICK_HEADS
from nanoscope.experiments.heads.measure import Params as Heads
from nanoscope.experiments.induction.measure import QUICK
from nanoscope.experiments.induction.measure import Params as Induction
from nanoscope.experiments.lenses.measure import QUICK as QUICK_LENSES
from nanoscope.experiments.lenses.measure import Params as Lenses
from nanoscope.experiments.neurons.measure import QUICK as QUICK_NEURONS
from nanoscope.experiments.neurons.measure import Params as Neurons
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.model import GPTConfig
from nanoscope.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One model of a study. Without a recipe it is the planted model."""

    name: str
    label: str
    role: str
    recipe: Recipe | None
    experiments: Mapping[str, Any]
    """Experiment name -> its settings for this model."""


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
SHAKESPEARE = Recipe(GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=128, dropout=0.2))
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


FULL = {
    "induction": Induction(),
    "snapshot": Snapshot(),
    "emergence": Emergence(),
    "heads": Heads(),
    "lenses": Lenses(),
    "neurons": Neurons(),
}
FEW = {
    "induction": QUICK,
    "snapshot": Snapshot(),
    "emergence": Emergence(),
    "heads": QUICK_HEADS,
    "lenses": QUICK_LENSES,
    "neurons": QUICK_NEURONS,
}
FEW_CONTROL = {**FEW, "induction": replace(QUICK, patch_examples=64)}


def _planted() -> Member:
    return Member("planted", "the planted model", "planted", None, {"induction": PLANTED_PARAMS})


def _control(seed: int, settings: Mapping[str, Any]) -> Member:
    recipe = replace(ECHO_CONTROL, seed=seed)
    settings = {name: params for name, params in settings.items() if name != "neurons"}  # it has no MLPs
    return Member(f"control-{seed}", f"the echo control, seed {seed}", "control", recipe, settings)


def _model(preset: str, seed: int, settings: Mapping[str, Any]) -> Member:
    label = f"the {preset} model, seed {seed}"
    return Member(f"{preset}-{seed}", label, "model", replace(RECIPES[preset], seed=seed), settings)


STUDIES = {
    "quick": Study("quick", (_model("quick", 1, FEW), _control(1, FEW_CONTROL), _planted())),
    "control": Study("control", tuple(_control(seed, FULL) for seed in range(1, 9))),
    "shakespeare": Study("shakespeare", (_model("shakespeare", 1, FULL), _control(1, FULL), _planted())),
    "shakespeare-cpu": Study("shakespeare-cpu", (_model("shakespeare-cpu", 1, FULL), _control(1, FULL), _planted())),
}
