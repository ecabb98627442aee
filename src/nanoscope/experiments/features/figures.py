"""The figures of the features: what is explained, which concepts are told, the graph of one prediction, and its checks."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.analysis.features.graph import KINDS, LOGIT
from nanoscope.analysis.features.verify import NEAR
from nanoscope.analysis.neurons.selectivity import SELECTIVE
from nanoscope.evidence.result import Result
from nanoscope.experiments.features.judge import SAME, whole_effects
from nanoscope.experiments.features.setting import OWN, TWIN
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES
from nanoscope.plots.attribution_graph import DrawnEdge, DrawnNode, attribution_graph
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, new_figure, styled, visible_character

LOOKS = {
    OWN: (ACCENT, "o", "a feature"),
    "neurons": (SECOND, "s", "a neuron of the layer"),
    TWIN: (SOFT, "x", "a feature of the twin"),
}


@styled
def quality(result: Result) -> Figure:
    """What each coder leaves unexplained, and how often its features come back with another seed."""
    explained = result["explained"]
    figure, (left, right) = new_figure(9.6, 3.4, 1, 2, width_ratios=(1.2, 1))
    names = [str(name) for name in explained.labels("coder")]
    errors, variances = explained.values.transpose(1, 0, 2)
    left.barh(range(len(names)), errors.sum(1) / variances.sum(1), color=[ACCENT, SECOND, SECOND, SOFT])
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set(xlabel="share of the variance left unexplained, held-out text", xlim=(0, None))
    left.set_title("As many active numbers", fontsize=9)
    _recurrence(right, result)
    figure.suptitle(f"{result.subject.label}: what a dictionary explains", x=0.01, ha="left", fontweight="bold")
    return figure


def _recurrence(ax: Axes, result: Result) -> None:
    """How many live features have a counterpart at least this near, in each other dictionary and in one turned at random."""
    found = result["recurrence"]
    for row, name in zip(found.values, found.labels("against"), strict=True):
        turned = name == "turned at random"
        shares = 1 - np.arange(len(row)) / max(1, len(row))
        ax.plot(np.sort(row), shares, "--" if turned else "-", color=SOFT if turned else ACCENT, label=str(name))
    ax.axvline(SAME, color=INK, linewidth=0.8, linestyle=":")
    ax.set(
        xlabel="largest cosine with a feature of another dictionary",
        ylabel="share of features",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    ax.legend(fontsize=7, loc="upper right")
    ax.set_title("Found again (dotted: from here on)", fontsize=9)


@styled
def concepts(result: Result) -> Figure:
    """For every context concept the AUROC of the best feature, neuron and feature of the twin."""
    found = result["aurocs"]
    context = np.flatnonzero(result["families"].values == FAMILIES.index(CONTEXT))
    order = context[np.argsort(found.sel(source=OWN).values[context], kind="stable")]
    figure, (ax,) = new_figure(7.2, 1.7 + 0.26 * max(3, len(order)))
    for name in found.labels("source"):
        colour, marker, label = LOOKS[str(name)]
        values = found.sel(source=name).values[order]
        ax.scatter(values, range(len(order)), color=colour, marker=marker, s=26, label=label, zorder=3)
    ax.axvline(SELECTIVE, color=INK, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(order)), [str(found.labels("concept")[at]) for at in order])
    ax.set(xlabel="AUROC on text on which nothing was chosen", xlim=(0.45, 1.02))
    ax.grid(axis="y", color="#e5e9ee", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(f"{result.subject.label}: which concepts are single units", x=0.01, ha="left", fontweight="bold")
    return figure


def graph(result: Result) -> Figure:
    """The graph of one prediction."""
    table, answers = result["graph_nodes"], result["graph_answers"]
    p = dict(zip(answers.labels("symbol"), answers.values.tolist(), strict=True))
    nodes = [
        DrawnNode(KINDS[int(kind)], _label(int(kind), str(name), int(index), p), int(layer), int(pos), influence)
        for name, (kind, layer, pos, index, _, influence) in zip(table.labels("node"), table.values, strict=True)
    ]
    edges = [DrawnEdge(int(s), int(t), weight, share) for s, t, weight, share in result["graph_edges"].values]
    symbols = [str(symbol) for symbol in result["graph_symbols"].labels("pos")]
    layers = int(max(node.layer for node in nodes if node.kind == KINDS[LOGIT]))
    said = "".join(map(visible_character, symbols))
    title = f"{result.subject.label}: how {visible_character(str(answers.labels('symbol')[0]))} follows {said}"
    return attribution_graph(nodes, edges, symbols, layers, title)


def _label(kind: int, name: str, index: int, p: dict) -> str:
    """What stands at a node; tokens are on the axis."""
    if kind == LOGIT:
        return f"{visible_character(name)} {100 * p[name]:.0f} %"
    return {"head": name.partition("@")[0], "feature": str(index)}.get(KINDS[kind], "")


@styled
def checks(result: Result) -> Figure:
    """Predicted contributions beside what interventions find: single edges, and whole effects with nothing held."""
    figure, axes = new_figure(8.4, 4.0, 1, 2)
    titles = {"edges": "Edges; attention and other MLPs held", "effects": "Whole effects on the logits; nothing held"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        predicted, measured = result[name].values if name == "edges" else whole_effects(result.sweeps, "nothing held")
        limit = 1.1 * max(float(np.abs([predicted, measured]).max(initial=0)), 1e-6)
        line = np.array([-limit, 0, limit])
        ax.fill_between(
            line, line - NEAR * np.abs(line), line + NEAR * np.abs(line), color=THIRD, alpha=0.15, linewidth=0
        )
        ax.plot(line, line, color=SOFT, linewidth=0.8)
        ax.scatter(predicted, measured, color=ACCENT, s=16, zorder=3)
        ax.set(
            xlim=(-limit, limit), ylim=(-limit, limit), xlabel="predicted by the graph", ylabel="measured in the model"
        )
        ax.set_title(title, fontsize=9)
    figure.suptitle(
        f"{result.subject.label}: is the graph true? (green: within a fifth)", x=0.01, ha="left", fontweight="bold"
    )
    return figure
