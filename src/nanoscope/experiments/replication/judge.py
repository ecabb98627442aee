"""Finding 4c, from numbers to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.replication.claims import CLAIMS
from nanoscope.experiments.replication.measure import VERDICT, Params
from nanoscope.statistics.intervals import pair_interval, share_interval

NOT_JUDGED = (math.nan, math.nan)


def judge(sweeps: Mapping[str, Sweep], params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    evidence = {
        "replication.findings": _same(sweeps["verdicts"]),
        "replication.induction": _formed(sweeps["verdicts"], "induction.heads"),
        "replication.previous": _formed(sweeps["verdicts"], "induction.previous_token"),
        "replication.depth": _depth(sweeps),
        "replication.matched": _alike(sweeps, "by function"),
        "replication.index": _alike(sweeps, "by index"),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _same(verdicts: Sweep) -> Evidence:
    """In how many claims all trainings agree, and in how many they would if each drew its verdicts."""
    agree = (verdicts.values == verdicts.values[:, :1]).all(axis=1)
    undecided = (verdicts.values == VERDICT["undecided"]).all(axis=1)
    opposed = (verdicts.values == VERDICT["supported"]).any(1) & (verdicts.values == VERDICT["not supported"]).any(1)
    shares = [(verdicts.values == verdict).mean() for verdict in VERDICT.values()]
    chance = sum(share ** verdicts.values.shape[1] for share in shares)
    low, high = share_interval(int(agree.sum()), len(agree))
    differ = [str(claim) for claim, same in zip(verdicts.labels("claim"), agree, strict=True) if not same]
    facts = {
        "same": str(int(agree.sum())),
        "trainings": str(verdicts.values.shape[1]),
        "percent": f"{100 * agree.mean():.0f}",
        "percents": f"{100 * low:.0f} to {100 * high:.0f}",
        "open": str(int(undecided.sum())),
        "decided": str(int((~undecided).sum())),
        "agreed": str(int((agree & ~undecided).sum())),
        "differ": ", ".join(differ) or "none",
        "opposed": ", ".join(str(claim) for claim in np.array(verdicts.labels("claim"))[opposed]) or "none",
    }
    return Evidence(float(agree.mean()), (low, high), len(agree), "claims", float(chance), facts)


def _formed(verdicts: Sweep, claim: str) -> Evidence:
    """In how many trainings a claim is supported, with the exact interval: undecided ones may be either."""
    trainings = verdicts.values.shape[1]
    if claim not in verdicts.labels("claim"):
        return _counted(None, trainings, {"unclear": ""})
    yes, open_ = (int((verdicts.sel(claim=claim).values == VERDICT[word]).sum()) for word in ("supported", "undecided"))
    counted = _counted(yes, trainings, {"unclear": f", undecided in {open_}" if open_ else ""})
    return replace(counted, interval=(counted.interval[0], share_interval(yes + open_, trainings)[1]))


def _depth(sweeps: Mapping[str, Sweep]) -> Evidence:
    trainings = sweeps["verdicts"].values.shape[1]
    if "depth" not in sweeps:
        return _counted(None, trainings, {"layers": "not measured"})
    layers, total = sweeps["depth"].sel(cls="previous token").values, int(sweeps["layers"].values)
    counted = _counted(int((layers < total / 2).sum()), trainings, {"layers": ", ".join(f"L{x}" for x in layers)})
    return Evidence(
        counted.value, counted.interval, counted.n, counted.unit, math.ceil(total / 2) / total, counted.facts
    )


def _counted(count: int | None, trainings: int, facts: Mapping[str, str]) -> Evidence:
    if count is None:
        return Evidence(math.nan, NOT_JUDGED, trainings, "trainings", 0.0, {"count": "an unknown number", **facts})
    interval = share_interval(count, trainings)
    return Evidence(count / trainings, interval, trainings, "trainings", 0.0, {"count": str(count), **facts})


def _alike(sweeps: Mapping[str, Sweep], assignment: str) -> Evidence:
    """Agreement beyond that within layers, over pairs of trainings."""
    trainings = sweeps["verdicts"].values.shape[1]
    if "agreement" not in sweeps:
        return Evidence(
            math.nan, NOT_JUDGED, trainings, "trainings", math.nan, {"matched": "unknown", "any": "unknown", "sign": ""}
        )
    table = sweeps["agreement"]
    mine, within, every = (table.sel(assignment=name).values for name in (assignment, "within layers", "any"))
    more = mine - within
    sign = "more" if np.nanmean(more) > 0 else "less"
    facts = {"matched": f"{np.nanmean(mine):.2f}", "any": f"{np.nanmean(every):.2f}", "sign": sign}
    return Evidence(
        float(np.nanmean(more)), pair_interval(more), trainings, "trainings", float(np.nanmean(within)), facts
    )
