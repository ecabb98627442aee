"""The numbers of `circuits`: every edge's effect, how faithful the best edges are, how estimates do, tests of one circuit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.cost import forward_seconds
from nanoscope.analysis.circuits.faithfulness import ABLATIONS, FAITHFUL, MIB_SHARES, Curve, curve, faithfulness
from nanoscope.analysis.circuits.judgement import completeness, minimality, random_circuits, worst_case
from nanoscope.analysis.circuits.methods import BASELINES, ESTIMATES, METHODS
from nanoscope.analysis.circuits.pairs import pair_effects
from nanoscope.analysis.circuits.scores import EdgeScores, whole_runs
from nanoscope.analysis.circuits.search import RANKINGS, top
from nanoscope.analysis.circuits.stability import dissociation
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.costs import memory, timed
from nanoscope.experiments.circuits.development import over_training
from nanoscope.experiments.circuits.hypotheses import scrubbed
from nanoscope.experiments.circuits.searches import learned_mask, searched, without_edges
from nanoscope.experiments.circuits.setting import Params, Setting, setting_of
from nanoscope.experiments.circuits.stored import circuit, exact
from nanoscope.experiments.circuits.truth import truth
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.measuring import Stage, Stages, Sweeps
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task

COUNTS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048)
"""The sizes at which the smallest faithful circuit is looked for: each a factor of about 1.4 above the one before."""


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of the experiment."""
    setting = setting_of(subject, params)
    return {
        "edges": Stage(6, lambda before: _edges(setting)),
        "curves": Stage(12, lambda before: _curves(setting, before)),
        "estimates": Stage(21, lambda before: _estimates(setting, before)),
        "memory": Stage(8, lambda before: memory(setting)),
        "tests": Stage(10, lambda before: _tests(setting, before)),
        "learned mask": Stage(15, lambda before: learned_mask(setting, before)),
        "acdc": Stage(29, lambda before: without_edges(setting)),
        "searches": Stage(2, lambda before: searched(setting, before)),
        "pairs": Stage(1, lambda before: _pairs(setting)),
        "hypothesis": Stage(2, lambda before: scrubbed(setting)),
        "training": Stage(1, lambda before: over_training(subject, setting, circuit(before, setting.main))),
        "known circuits": Stage(1, lambda before: truth() if subject.role == "planted" else {}),
    }


def _edges(s: Setting) -> Sweeps:
    """The metric of every task in both runs, and the exact effect of every edge on those that are studied."""
    values = np.array([[whole_runs(s.model, of[name], logit_diff) for of in (s.select, s.report)] for name in s.select])
    coords = {"task": tuple(s.select), "split": ("select", "report"), "run": ("clean", "corrupt")}
    graph = graph_of(s.model.config)
    found = [timed(s, s.select[name], METHODS["exact"]) for name in s.studied]
    effects = np.array([scores.values.transpose(1, 0, 2)[graph.exists.T] for scores, _ in found], dtype=np.float32)
    edges, main = tuple(str(edge) for edge in graph.edges), s.studied.index(s.main)
    return {
        "metric": Sweep(values, ("task", "split", "run", "example"), "logits", coords),
        "effects": Sweep(effects.mean(-1), ("task", "edge"), "logits", {"task": s.studied, "edge": edges}),
        "effects_by_example": Sweep(
            effects[[main]], ("task", "edge", "example"), "logits", {"task": (s.main,), "edge": edges}
        ),
        "exact_seconds": Sweep(np.array([spent for _, spent in found]), ("task",), "s", {"task": s.studied}),
        "clear": Sweep(
            np.array([name in s.clear for name in s.select]), ("task",), "whether", {"task": tuple(s.select)}
        ),
    }


# ---- curves --------------------------------------------------------------------------------------------------------


def _curves(s: Setting, before: Sweeps) -> Sweeps:
    """On texts on which nothing was chosen: faithfulness against size, the smallest faithful circuit, and random ones."""
    rows, ends, sizes, chance, chosen = [], [], [], [], []
    for name in s.studied:
        scores, task = exact(before, name), s.report[name]
        found = [curve(s.model, task, scores, ranking=ranking) for ranking in RANKINGS]
        rows.append([one.at.values for one in found])
        ends.append([found[0].at.model, found[0].at.nothing])
        found_best = smallest(s, name, scores)
        sizes.append([len(found_best), len(found_best.connected)])
        random = random_circuits(found_best, s.params.random_circuits)
        judged = faithfulness(s.model, task, [found_best, *random])
        chosen.append(judged.values[0])
        chance.append(judged.share[1:])
    tasks = {"task": s.studied}
    return {
        "curve": Sweep(
            np.array(rows),
            ("task", "ranking", "share", "example"),
            "logits",
            {**tasks, "ranking": RANKINGS, "share": MIB_SHARES},
        ),
        "ends": Sweep(np.array(ends), ("task", "end", "example"), "logits", {**tasks, "end": ("model", "nothing")}),
        "size": Sweep(np.array(sizes), ("task", "count"), "edges", {**tasks, "count": ("asked", "connected")}),
        "circuit": Sweep(np.array(chosen), ("task", "example"), "logits", tasks),
        "random": Sweep(np.array(chance), ("task", "draw"), "share", tasks),
    }


def smallest(s: Setting, name: str, scores: EdgeScores) -> Circuit:
    """The smallest circuit of the best edges that is faithful on the first text, as are all larger ones that are tried.

    A tenth of all edges if there is none."""
    total = len(scores.graph)
    counts = [count for count in COUNTS if count < total]
    shares = faithfulness(s.model, s.select[name], [top(scores, count) for count in counts]).share
    enough = next((count for at, count in enumerate(counts) if (shares[at:] >= FAITHFUL).all()), max(1, total // 10))
    return top(scores, enough)


# ---- estimates of the main task -----------------------------------------------------------------------------------------


def _estimates(s: Setting, before: Sweeps) -> Sweeps:
    """The mean score of every edge by every method, the faithfulness of its best edges, and how long it took."""
    task, report, scores = s.select[s.main], s.report[s.main], exact(before, s.main)
    means, curves, spent = [scores.values.mean(-1)], [_both(s, report, scores)], [forward_seconds(s.model, task)]
    for method in (*ESTIMATES.values(), *BASELINES.values()):
        found, seconds = timed(s, task, method)
        spent.append(seconds)
        means.append(found.values.mean(-1))
        curves.append(_both(s, report, found))
    graph, names = scores.graph, ("exact", *ESTIMATES, *BASELINES)
    edges = tuple(str(edge) for edge in graph.edges)
    kept = np.array([mean.T[graph.exists.T] for mean in means], dtype=np.float32)
    areas = np.array([[[one.cpr, one.cmd, one.log_cpr, one.log_cmd] for one in both] for both in curves])
    coords = {"method": names, "ranking": RANKINGS}
    return {
        "estimates": Sweep(kept, ("method", "edge"), "logits", {"method": names, "edge": edges}),
        "estimate_curves": Sweep(
            np.array([[one.at.share for one in both] for both in curves]), ("method", "ranking", "share"), "share",
            {**coords, "share": MIB_SHARES},
        ),
        "areas": Sweep(areas, ("method", "ranking", "area"), "share", {**coords, "area": ("CPR", "CMD", "log CPR", "log CMD")}),
        "seconds_of": Sweep(np.array(spent), ("what",), "s", {"what": ("plain forward", *names[1:])}),
    }  # fmt: skip


def _both(s: Setting, task: Task, scores: EdgeScores) -> Sequence[Curve]:
    return [curve(s.model, task, scores, ranking=ranking) for ranking in RANKINGS]


# ---- tests of the main circuit --------------------------------------------------------------------------------------------


def _tests(s: Setting, before: Sweeps) -> Sweeps:
    """Is anything missing, superfluous, ablation's doing, or shared with other tasks? And how wrong can it be?"""
    found, task = circuit(before, s.main), s.report[s.main]
    removed = completeness(s.model, task, found)
    worst = worst_case(s.model, task, found)
    kept = [faithfulness(s.model, task, [found], ablation=ablation) for ablation in ABLATIONS]
    circuits = {name: circuit(before, name) for name in s.studied}
    edges = tuple(str(edge) for edge in found.edges)
    return {
        "completeness": Sweep(
            np.array([removed.circuit, removed.model]), ("of", "removed"), "share",
            {"of": ("circuit", "model"), "removed": removed.removed},
        ),
        "minimality": Sweep(minimality(s.model, task, found), ("edge",), "share", {"edge": edges}),
        "worst": Sweep(worst.missing, ("example",), "share"),
        "ablations": Sweep(np.array([one.share[0] for one in kept]), ("ablation",), "share", {"ablation": ABLATIONS}),
        "worst_examples": Sweep(np.array([one.worst()[0] for one in kept]), ("ablation",), "share", {"ablation": ABLATIONS}),
        "lost": Sweep(
            dissociation(s.model, {name: s.report[name] for name in s.studied}, circuits), ("circuit", "task"), "share",
            {"circuit": s.studied, "task": s.studied},
        ),
        "main": Sweep(np.array([1]), ("task",), "whether", {"task": (s.main,)}),
    }  # fmt: skip


def _pairs(s: Setting) -> Sweeps:
    """The effect of every two heads together, and of each alone, on the main task."""
    task = s.report[s.main][: s.params.pair_examples]
    found = pair_effects(s.model, task)
    coords = {"node": found.nodes, "other": found.nodes}
    return {
        "pairs": Sweep(found.values.astype(np.float32), ("node", "other", "example"), "logits", coords),
        "pair_ends": Sweep(
            np.array([found.clean, found.corrupt]), ("run", "example"), "logits", {"run": ("clean", "corrupt")}
        ),
    }
