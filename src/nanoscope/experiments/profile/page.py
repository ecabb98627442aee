"""Finding 0 of the report: what the model does."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import percent
from nanoscope.experiments.circuits import stored as circuits
from nanoscope.experiments.circuits.facts import kept, suffices
from nanoscope.experiments.pages import Page
from nanoscope.experiments.profile.judge import beside_tables, fewest, gap, overfitting
from nanoscope.experiments.profile.measure import MODEL
from nanoscope.experiments.profile.setting import HELD_OUT
from nanoscope.model.names import named

SOME = 30
"""Kinds at fewer places are not named in a sentence."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The tables of what no figure shows with intervals, and the numbers of the sentences."""
    sweeps = result.sweeps
    count = fewest(sweeps)
    cost = sweeps["kept"].sel(text=HELD_OUT).mean("window").values
    order = [(int(layer), int(head)) for layer, head in sweeps["order"].values]
    return {
        "worth": float(cost[0]),
        "count": count,
        "kept": ", ".join(named(sorted(order[len(order) - count :]))),
        "kept_cost": float(cost[count]),
        "random_cost": random_cost(result, count),
        "heads": len(order),
        "table": beside_tables(sweeps),
        "kind_gains": kind_gains(result),
        "gap": gap(sweeps),
        "windows": result["loss"].sel(text=HELD_OUT).values.shape[1],
        "circuits": circuits_of(study, result),
        "overfitting": overfitting(result.sweeps) if "along_loss" in result.sweeps else None,
    }


def by_kind(result: Result) -> list[tuple[str, int, float, float]]:
    """Each kind that held-out text has: its places, the model's loss and the best table's."""
    loss, count = result["kind_loss"].sel(text=HELD_OUT), result["kind_count"].sel(text=HELD_OUT).values.sum(-1)
    best = beside_tables(result.sweeps).best
    mine, its = (loss.sel(predictor=predictor).values.sum(-1) for predictor in (MODEL, best))
    kinds = [str(kind) for kind in loss.labels("kind")]
    return [(kind, int(n), a / n, b / n) for kind, n, a, b in zip(kinds, count, mine, its, strict=True) if n]


def kind_gains(result: Result) -> tuple[tuple[str, float], tuple[str, float]]:
    """Where the model's loss is lowest beside the best table's, and where it is highest: the kind, and how much lower."""
    found = by_kind(result)
    enough = [one for one in found if one[1] >= SOME] or found
    gains = sorted((its - mine, kind) for kind, _, mine, its in enough)
    (least, worst), (most, best) = gains[0], gains[-1]
    return (best, most), (worst, least)


def random_cost(result: Result, count: int) -> tuple[float, int]:
    """The least cost of random sets of at least so many heads, of the nearest size measured, and that size; none: NaN, 0."""
    sizes = [int(size) for size in result["random"].labels("kept")]
    at = next((i for i, size in enumerate(sizes) if size >= count), None)
    return (float("nan"), 0) if at is None else (float(result["random"].values[at].mean(-1).min()), sizes[at])


def circuits_of(study: Study, result: Result) -> str:
    """The tasks that the model does with their circuits' edges, but for dead ends; an empty text without `circuits`."""
    found = study.result(result.subject.label, "circuits")
    if found is None or not {"clear", "size"} <= found.sweeps.keys():
        return ""
    sizes = found["size"]
    done = [str(name) for name in sizes.labels("task") if circuits.is_done(found.sweeps, str(name))]
    told = [
        f"{name} ({int(sizes.sel(task=name, count='connected').values):,} edges, {percent(kept(found.sweeps, name), 0)})"
        if suffices(found.sweeps, name, "signed") < 1
        else f"{name} (none was found)"
        for name in done
    ]
    return ", ".join(told)


PAGE = Page(
    "Finding 0: What the model does",
    figures=("profile_parts", "profile_heads", "profile_tables", "profile_training"),
    values=values,
)
