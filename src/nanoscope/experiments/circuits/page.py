"""Finding 5 of the report: which connections do it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.circuits.pairs import PairEffects, readings
from nanoscope.analysis.circuits.recovery import KINDS, agreement
from nanoscope.evidence.markdown import picture as figure_picture
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number, percent
from nanoscope.experiments.circuits import facts
from nanoscope.experiments.circuits.stored import Sweeps, estimate, is_done, main_task, mean_shares
from nanoscope.experiments.pages import Page

NAMED, NAMED_PAIRS = 3, 4


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The table of tasks: how well each is done, how many edges it takes, and the strongest."""
    sweeps = result.sweeps
    rows = []
    for name in sweeps["effects"].labels("task"):
        shares = mean_shares(sweeps, str(name))
        best = sorted(shares, key=lambda edge: -shares[edge])[:NAMED]
        clean, corrupt = sweeps["metric"].sel(task=name, split="report").values.mean(-1)
        rows.append(
            (
                str(name) if is_done(sweeps, str(name)) else f"({name})",
                f"{number(clean)} / {number(corrupt)}",
                f"{int(sweeps['size'].sel(task=name, count='connected').values):,}",
                f"{percent(facts.kept(sweeps, str(name)), 0)} / {percent(sum(shares.values()), 0)}",
                ", ".join(f"{edge} ({number(shares[edge], 2)})" for edge in best),
            )
        )
    heads = (
        "task (not clearly done)",
        "logit difference, clean / corrupt",
        "edges",
        "they keep / single effects sum to",
        "strongest alone",
    )
    return {
        "tasks": table(heads, rows),
        "task": main_task(sweeps),
        "pairs": pairs(result),
        "version": result.identity["version"],
        **said(sweeps),
        **methods(study, result),
    }


def said(sweeps: Sweeps) -> Mapping[str, str]:
    """The facts beside the claims, each in a sentence."""
    gap, same, far = facts.missing(sweeps), facts.stability(sweeps), facts.reach(sweeps)
    read = ", ".join(f"{distance} back {number(shift, 2)}" for distance, (shift, _) in far.items())
    furthest = max((distance for distance, (_, sure) in far.items() if sure), default=0)
    return {
        "missing": f"With the same edges taken from both, circuit and model differ by {percent(gap.mean, 0)} of the behaviour "
        f"on average, and most ({percent(gap.most, 0)}) without {gap.removed}.",
        "stability": f"Circuits of resampled examples share {percent(same.overlap, 0)} of their edges with this one; "
        f"{same.always} of its {same.edges} edges are in nearly all.",
        "reach": f"One character decides between two continuations by this many logits: {read}; the furthest beyond doubt is "
        f"{furthest} back."
        if far
        else "",
    }


def pairs(result: Result) -> str:
    """The pairs of heads whose interaction has a name, the largest first."""
    sweep, ends = result["pairs"], result["pair_ends"]
    nodes = tuple(str(name) for name in sweep.labels("node"))
    clean, corrupt = (ends.sel(run=run).values for run in ("clean", "corrupt"))
    found = readings(PairEffects(nodes, "corrupt", sweep.values.astype(float), clean, corrupt))
    clear = [pair for pair in found if pair.reading in ("backup", "chain")][:NAMED_PAIRS]
    said = [
        f"{' and '.join(pair.nodes)} ({pair.reading}: {' and '.join(number(x, 2) for x in pair.alone)} alone, "
        f"{number(pair.both, 2)} together)"
        for pair in clear
    ]
    return "; ".join(said) or "no two of them interact by more than a tenth of the behaviour"


def methods(study: Study, result: Result) -> Mapping[str, object]:
    """The table of methods: how well each finds known edges, how it agrees with exact effects here, and what it costs."""
    planted = [study.result(label, "circuits") for label in study.with_role("planted")]
    known = next((one for one in planted if one and "truth" in one.sweeps), None)
    sweeps, names = result.sweeps, [str(name) for name in result["estimates"].labels("method")]
    rows = []
    for name in names:
        found = ["", ""] if known is None else _known(known["truth"], name)
        agree = agreement(estimate(sweeps, name), estimate(sweeps, "exact"))
        rows.append([name, *found, *(_number(agree[kind]) for kind in KINDS), *_cost(sweeps, name)])
    kinds = (f"into {kind}" for kind in KINDS)
    heads = ("method", "known edges, AUROC", "saturated, AUROC", *kinds, "cost, forwards", "memory, MB")
    picture = "" if known is None else figure_picture(study, known.subject.label, "circuits_known")
    return {"methods": table(heads, rows), "known": picture}


def _known(truth: Sweep, method: str) -> list[str]:
    """The mean AUROC over the planted models, and that where attention is saturated."""
    values = truth.sel(method=method, measure="AUROC")
    gentle = [float(values.sel(model=name).values) for name in values.labels("model") if "saturated" not in str(name)]
    return [number(sum(gentle) / len(gentle)), number(float(values.sel(model="plain, saturated").values))]


def _cost(sweeps: Sweeps, method: str) -> tuple[str, str]:
    """Seconds in plain forwards, and megabytes; empty where an earlier version did not measure them."""
    forward = float(sweeps["seconds_of"].sel(what="plain forward").values)
    spent, held = None, sweeps.get("held")
    if method in sweeps["seconds_of"].labels("what"):
        spent = sweeps["seconds_of"].sel(what=method)
    elif "exact_seconds" in sweeps:
        spent = sweeps["exact_seconds"].sel(task=main_task(sweeps))
    cost = "" if spent is None else f"{float(spent.values) / forward:,.0f}"
    return cost, "" if held is None else f"{float(held.sel(method=method).values) / 1e6:,.0f}"


def _number(x: float) -> str:
    return "" if np.isnan(x) else number(x, 2)


PAGE = Page(
    "Finding 5: Which connections do it?",
    figures=("circuits_diagram", "circuits_curves"),
    values=values,
    control=("circuits_diagram",),
)
