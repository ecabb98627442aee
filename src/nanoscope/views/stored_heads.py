"""Every head of one stored model by every measure: what it attends to, how broadly, what its weights do, and its causal effect.

Causal effects are interventions: the loss without one head (mean ablation, experiment `heads`), and where the model copies, the
share of the copy's logit difference that patching one head restores (experiment `induction`).

Head numbers mean nothing across trainings, so a head's spread is that of its *rank*: the least and the greatest value of the
heads that hold the same rank by the same measure in the trainings of the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.heads.groups import singles
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import mean_interval
from nanoscope.views.heads import HeadSummary, summaries

WITHOUT, RESTORED = "loss without it", "copy restored by it"
PLAIN = {
    "breadth": ("entropy", "share of uniform's", "entropy of its attention, over that of uniform attention"),
    "positional": ("positional", "share of variance", "how much of its scores the positions alone explain"),
    "copying": ("OV copying", "score", "whether its weights raise what it attends to: eigenvalues of OV, from -1 to 1"),
    "first_value": ("first value", "times the mean", "length of what the first token's value writes; small for a sink"),
}
"""Sweeps `[layer, head]` of the experiment `heads`: name, unit, meaning."""
Grid = Float[np.ndarray, "layer head"]


@dataclass(frozen=True)
class Measure:
    """One number of every head, with the interval over windows if there is one, and the spread of its rank over trainings."""

    name: str
    unit: str
    about: str
    causal: bool
    values: Grid
    low: Grid | None = None
    high: Grid | None = None
    rank_low: Grid | None = None
    rank_high: Grid | None = None


@dataclass(frozen=True)
class HeadTable:
    """All heads of a model by all measures that are stored of it."""

    label: str
    result: str
    """The key of the result of the experiment `heads`."""
    trainings: int
    """How many trainings the spread is over."""
    names: tuple[str, ...]
    """Of the heads, layer by layer."""
    classes: tuple[str, ...]
    """Of each head, in words; empty for none."""
    writes: tuple[str, ...]
    """Its strongest OV effect: `attended -> raised by so many logits`; empty for none."""
    measures: tuple[Measure, ...]


def head_table(study: Study, label: str) -> HeadTable:
    """The table of a stored model, with the spread over the trainings of its recipe."""
    result = study.result(label, "heads")
    assert result is not None, label
    trainings = study.trainings(result)
    own, *others = (measures(one, study.result(one.subject.label, "induction")) for one in trainings)
    named = [{one.name: one.values for one in other} for other in others]
    spread = [_spread(one, [other[one.name] for other in named if one.name in other]) for one in own]
    return table(result, spread, len(trainings))


def table(result: Result, found: Sequence[Measure], trainings: int = 1) -> HeadTable:
    """The table of one result of the experiment `heads`, with measures of its heads."""
    rows = summaries(result)
    return HeadTable(
        result.subject.label,
        result.key,
        trainings,
        tuple(row.name for row in rows),
        tuple(row.attention_class or "" for row in rows),
        tuple(map(_writes, rows)),
        tuple(found),
    )


def measures(heads: Result, induction: Result | None = None) -> tuple[Measure, ...]:
    """Every measure of single heads that the results hold; causal ones first."""
    return (
        *_without(heads),
        *(_restored(induction) if induction else ()),
        *_classes(heads),
        *(Measure(*PLAIN[name], False, heads[name].values) for name in PLAIN if name in heads.sweeps),
    )


def rank_spread(own: Grid, others: Sequence[Grid]) -> tuple[Grid, Grid]:
    """The least and the greatest value, over all trainings, of the head of each head's rank."""
    order = own.ravel().argsort(kind="stable")
    ranked = np.sort(np.stack([grid.ravel() for grid in (own, *others)]), axis=1)
    low, high = np.empty(own.size), np.empty(own.size)
    low[order], high[order] = ranked.min(0), ranked.max(0)
    return low.reshape(own.shape), high.reshape(own.shape)


def _spread(one: Measure, others: Sequence[Grid]) -> Measure:
    alike = [grid for grid in others if grid.shape == one.values.shape]
    if not alike:
        return one
    low, high = rank_spread(one.values, alike)
    return replace(one, rank_low=low, rank_high=high)


def _without(heads: Result) -> tuple[Measure, ...]:
    """The loss without each head, beyond the model's; results of a version up to 3 have it of classes only."""
    if "costs" not in heads.sweeps:
        return ()
    windows = singles(heads.sweeps)
    layers, count = windows.shape[:2]
    ends = [mean_interval(windows[at], WITHOUT, head_name(*at)) for at in np.ndindex(layers, count)]
    low, high = np.array(ends).T.reshape(2, layers, count)
    about = "by how much the loss rises when its output is replaced by its mean"
    return (Measure(WITHOUT, "nats", about, True, windows.mean(-1), low, high),)


def _restored(induction: Result) -> tuple[Measure, ...]:
    """The share of the difference between clean and corrupt copies that patching in one head restores, where there is one and
    its numbers are kept."""
    if "patch_heads" not in induction.sweeps or not induction["patch_informative"].values:
        return ()
    clean, corrupt = induction["patch_plain"].values.mean(-1)
    patched = induction["patch_heads"].sel(direction="denoise").values.mean(-1)
    about = "share of the copied character's logit difference that patching it in from the clean run restores"
    return (Measure(RESTORED, "share", about, True, (patched - corrupt) / (clean - corrupt)),)


def _classes(heads: Result) -> tuple[Measure, ...]:
    scores = heads["scores_report"]
    return tuple(
        Measure(str(name), scores.unit, f"attention to {name} above chance, on text not used to name it", False, values)
        for name, values in zip(scores.labels("cls"), scores.values, strict=True)
    )


def _writes(row: HeadSummary) -> str:
    if row.writes is None:
        return ""
    attended, raised, by = row.writes
    return f"attending to {attended!r} raises {raised!r} by {by:.1f} logits"
