"""Finding 5 of the report: which connections do it."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.analysis.circuits.pairs import PairEffects, readings
from nanoscope.analysis.circuits.search import RANKINGS
from nanoscope.evidence.markdown import picture, table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number, percent
from nanoscope.experiments.circuits import facts
from nanoscope.experiments.circuits.stored import Sweeps, is_done, main_task, mean_shares
from nanoscope.experiments.pages import Page

NAMED, NAMED_PAIRS = 3, 2
NEARLY_ALL = 0.9


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The table of tasks: how well each is done, how many edges it takes, and the strongest."""
    sweeps = result.sweeps
    rows = []
    names = [str(name) for name in sweeps["effects"].labels("task")]
    done = [name for name in names if is_done(sweeps, name)]
    for name in done or names:
        shares = mean_shares(sweeps, str(name))
        best = sorted(shares, key=lambda edge: -shares[edge])[:NAMED]
        clean, corrupt = sweeps["metric"].sel(task=name, split="report").values.mean(-1)
        rows.append(
            (
                name,
                f"{number(clean)} / {number(corrupt)}",
                f"{int(sweeps['size'].sel(task=name, count='connected').values):,}",
                f"{percent(facts.kept(sweeps, str(name)), 0)} / {percent(sum(shares.values()), 0)}",
                " / ".join(_share(facts.suffices(sweeps, name, ranking)) for ranking in RANKINGS),
                ", ".join(f"{edge} ({number(shares[edge], 2)})" for edge in best),
            )
        )
    heads = (
        "task",
        "logit difference, clean / corrupt",
        "edges",
        "they keep / single effects sum to",
        "nine tenths from, by effect / by its size",
        "strongest alone",
    )
    return {
        "tasks": table(heads, rows),
        "others": [name for name in names if name not in done],
        "task": main_task(sweeps),
        "pairs": pairs(result),
        "version": result.identity["version"],
        "shared": shared(result),
        **said(sweeps),
        "estimates": estimates(study, result),
    }


def _share(enough: float) -> str:
    return "all" if enough == 1 else percent(enough, 1)


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


def shared(result: Result) -> bool:
    """Whether removing another task's circuit costs a task nearly as much as anything can."""
    own = result.finding_if_any("circuits.own")
    return own is not None and own.evidence.measured and float(str(own.evidence.facts["other"])) > NEARLY_ALL


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


def estimates(study: Study, result: Result) -> list[str]:
    """The figures of the estimates beside exact effects, on this model and on hand-built ones."""
    planted = [study.result(label, "circuits") for label in study.with_role("planted")]
    known = [one.subject.label for one in planted if one and "truth" in one.sweeps][:1]
    return [
        picture(study, result.subject.label, "circuits_estimates"),
        *(picture(study, label, "circuits_known") for label in known),
    ]


PAGE = Page(
    "Finding 5: Which connections do it?",
    figures=("circuits_diagram", "circuits_curves"),
    values=values,
    control=("circuits_diagram",),
)
