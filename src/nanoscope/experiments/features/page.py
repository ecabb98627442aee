"""Finding 6 of the report: of which features the model's state is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nanoscope.dictionaries.measure import PARTS
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number, percent
from nanoscope.experiments.features.judge import SAME, whole_effects, within
from nanoscope.experiments.neurons.stored import in_context
from nanoscope.experiments.pages import Page

QUALITY = ("", "FVU", "L0", "alive", "change of the loss", "recovered beside zero / mean")
ROLES = 4
STEPS = {"norms": "norms free", "effects": "nothing held"}


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The table of quality, what transcoders come to, what concepts' features miss, and what each role of the graph carries."""
    sweeps = result.sweeps
    roles = sweeps.get("graph_roles")
    lost = sweeps["absorption"].values[in_context(sweeps)]
    return {
        "quality": quality_table(sweeps),
        "lost": lost.mean(0).tolist() if len(lost) else None,
        "transcoders": transcoders_of(sweeps) if "transcoders" in sweeps else None,
        "transcoder_recurs": _found_again(sweeps, "recurrence_transcoder") if "transcoders" in sweeps else (0.0, 0.0),
        **({name: _near(sweeps, step) for name, step in STEPS.items()} if "effects" in sweeps else {}),
        "roles": () if roles is None else largest_roles(roles),
    }


def largest_roles(roles: Sweep) -> tuple[tuple[str, float], ...]:
    """What most of the graph's influence passes through: roles with their shares, the largest first."""
    shares = zip(map(str, roles.labels("role")), roles.values.tolist(), strict=True)
    return tuple(sorted(shares, key=lambda role: -role[1])[:ROLES])


def quality_table(sweeps: Sweeps) -> str:
    """A row per coder on held-out text, and the dictionary's own on the text that it was trained on."""
    rows = []
    first, *others = sweeps["quality"].labels("row")
    for name in (first, *(one for one in others if str(one).endswith(PARTS[1]))):
        of = {
            str(m): float(sweeps["quality"].sel(row=name, measure=m).values)
            for m in sweeps["quality"].labels("measure")
        }
        recovered = " / ".join(_recovered(of, ablated) for ablated in ("zero", "mean"))
        change = number(of["replaced"] - of["loss"])
        rows.append((str(name), number(of["FVU"]), number(of["L0"]), percent(of["alive"], 0), change, recovered))
    return table(QUALITY, rows)


def _recovered(of: Mapping[str, float], ablated: str) -> str:
    damage = of[ablated] - of["loss"]
    return percent((of[ablated] - of["replaced"]) / damage, 0) if damage else ""


@dataclass(frozen=True)
class Transcoders:
    """What the transcoders of all MLPs come to, from the least to the most of them."""

    left: tuple[float, float]
    """The share of the variance that is left unexplained."""
    neurons: tuple[float, float]
    """The same of as many neurons."""
    cost: float
    """The most that one costs in its MLP's place, nats."""
    behind: int
    """How many leave more of their MLP than the twin's leave of the twin's."""
    count: int


def transcoders_of(sweeps: Sweeps) -> Transcoders:
    """The table `[layer, coder, measure]` in a few numbers."""
    table = sweeps["transcoders"]
    fvu = table.sel(measure="FVU").values
    own, neurons, _ = ((float(one.min()), float(one.max())) for one in fvu.T)
    losses = [table.sel(coder="transcoder", measure=name).values for name in ("loss", "replaced")]
    return Transcoders(own, neurons, float((losses[1] - losses[0]).max()), int((fvu[:, 0] > fvu[:, 2]).sum()), len(fvu))


def _near(sweeps: Sweeps, step: str) -> float:
    """The share of the graph's largest whole effects that are found within a fifth at this step; NaN if there are none."""
    near = within(*whole_effects(sweeps, step))
    return float(near.mean()) if near.size else math.nan


def _found_again(sweeps: Sweeps, name: str) -> tuple[float, float]:
    """The share of features found again with another seed, and in a dictionary turned at random."""
    *others, turned = sweeps[name].values >= SAME
    return float(np.mean(others)), float(turned.mean())


PAGE = Page(
    "Finding 6: Of which features is it made?",
    figures=("features_concepts", "features_graph"),
    values=values,
)
