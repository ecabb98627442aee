"""The figures of experiment 01."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.induction.select import STRONG_ENOUGH, lowest
from nanoscope.model.names import head_name
from nanoscope.plots.style import (
    ACCENT,
    INK,
    SECOND,
    SOFT,
    THIRD,
    cell_text,
    heatmap,
    hundredths,
    legend_above,
    new_figure,
    styled,
    visible_character,
)

PITCH = 0.075
"""Inches from one letter of an attention pattern's axis to the next, of 5 points."""
UNITS = {
    "share": "share of the\nclean-corrupt difference",
    "logits": "change, logits (no shares:\nunder ten standard errors\nof the difference)",
}
DIRECTIONS = {"denoise": "clean into corrupt (is it enough?)", "noise": "corrupt into clean (is it needed?)"}


@styled
def patching_effects(result: Result) -> Figure:
    """Residual stream by layer and position, and heads, in both directions."""
    residual, heads = _scaled(result, "position"), _scaled(result, "patch")
    rows = residual.values.shape[1], heads.values.shape[1]
    figure, axes = new_figure(11, 0.42 * sum(rows) + 2.6, 2, 2, height_ratios=rows)
    for block, sweep in ((axes[:2], residual), (axes[2:], heads)):
        limit = max(float(np.abs(sweep.values).max()), 1.0)
        images = [heatmap(ax, values, limit) for ax, values in zip(block, sweep.values, strict=True)]
        for ax, direction, values in zip(block, DIRECTIONS, sweep.values, strict=True):
            ax.set_title(f"{'Residual stream' if sweep is residual else 'Head outputs'}: {DIRECTIONS[direction]}")
            _label_positions(ax, sweep, result) if sweep is residual else _label_heads(ax, values, limit)
        figure.colorbar(images[0], ax=block, label=UNITS[sweep.unit])
    figure.suptitle(f"{_label(result)}: where a copied sequence acts", x=0.01, ha="left", fontweight="bold")
    return figure


def _scaled(result: Result, part: str) -> Sweep:
    """Changes as shares of the clean-corrupt difference, or in logits where there is no difference to share out."""
    clean, corrupt = result[f"{part}_plain"].values.mean(-1)
    if part == "position":
        change = result["position_change"]
    else:
        means = result["patch_heads"].values.mean(-1)
        change = Sweep(np.stack([means[0] - corrupt, clean - means[1]]), ("direction", "layer", "head"), "logits")
    if not result[f"{part}_informative"].values:
        return change
    return Sweep(change.values / (clean - corrupt), change.dims, "share", change.coords)


def _label_positions(ax: Axes, residual: Sweep, result: Result) -> None:
    positions = [int(p) for p in residual.labels("pos")]
    layers = len(residual.labels("layer"))
    ax.set_yticks(range(layers), [*(f"into L{layer}" for layer in range(layers - 1)), "output"])
    roles = dict(zip(result["position_roles"].labels("role"), result["position_roles"].values, strict=True))
    marks = {"matched": "matched ", "followed": "\n  what followed", "query": "query"}
    ticks = {positions.index(int(roles[role])): text for role, text in marks.items() if int(roles[role]) in positions}
    ax.set_xticks(list(ticks), list(ticks.values()), fontsize=8)
    ax.set_xlabel("position patched")


def _label_heads(ax: Axes, values: np.ndarray, limit: float) -> None:
    layers, heads = values.shape
    ax.set_yticks(range(layers), [f"L{layer}" for layer in range(layers)])
    ax.set_xticks(range(heads), [f"H{head}" for head in range(heads)])
    for layer, head in np.ndindex(values.shape):
        strong = abs(values[layer, head]) > 0.6 * limit
        colour = "white" if strong else INK
        ax.text(head, layer, hundredths(float(values[layer, head])), ha="center", va="center", fontsize=8, color=colour)


@styled
def logit_lens(result: Result) -> Figure:
    """What the model would say after each layer, where the second copy is predicted."""
    lens = result["lens"]
    layers = [int(layer) for layer in lens.labels("layer")]
    figure, axes = new_figure(9, 3.6, 1, 2)
    lines = (("answer", ACCENT, "right character"), ("current", SOFT, "character just read"))
    for measure, colour, label in lines:
        _band(axes[0], layers, lens.sel(measure=measure).values, colour, label)
    _band(axes[0], layers, lens.sel(measure="answer_is_top").values, SECOND, "right character is the top one (share)")
    axes[0].set(ylim=(-0.03, 1.03), ylabel="probability", title="What the lens says")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    _band(axes[1], layers, lens.sel(measure="kl").values, THIRD, "KL(model || lens)")
    settled = float(result["lens_settled"].values.mean())
    axes[1].axvline(settled, color=INK, linestyle=":", linewidth=1)
    axes[1].annotate(f" settles after {settled:.1f} layers", (settled, axes[1].get_ylim()[1] * 0.92), fontsize=8)
    axes[1].set(ylabel="KL, nats", title="How far it is from the model's own output")
    for ax in axes:
        ax.set_xticks(layers, ["embed", *(f"after L{layer - 1}" for layer in layers[1:])], fontsize=8)
    figure.suptitle(f"{_label(result)}: how the second copy's prediction forms", x=0.01, ha="left", fontweight="bold")
    return figure


def _band(ax: Axes, x: list[int], values: np.ndarray, colour: str, label: str) -> None:
    """Mean over examples with its 95 % normal interval, `values [x, example]`."""
    mean, half = values.mean(-1), 1.96 * values.std(-1, ddof=1) / np.sqrt(values.shape[-1])
    ax.plot(x, mean, color=colour, marker="o", markersize=3.5, label=label)
    ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)


@styled
def attention(result: Result) -> Figure:
    """The attention patterns of the selected heads on one repeated sequence."""
    patterns = result["patterns"]
    symbols = [visible_character(str(symbol)) for symbol in patterns.labels("key")]
    side = max(4.4, PITCH * len(symbols) + 0.9)
    figure, axes = new_figure(side * len(patterns.values) + 0.6, side + 0.2, 1, len(patterns.values))
    images = [heatmap(ax, values, 1.0, diverging=False) for ax, values in zip(axes, patterns.values, strict=True)]
    for n, (ax, name) in enumerate(zip(axes, patterns.labels("head"), strict=True)):
        ax.set_title(f"{name} {_role(result, str(name), first=n == 0)}")
        ax.set_xticks(range(len(symbols)), symbols, fontsize=5)
        ax.set_yticks(range(len(symbols)), symbols, fontsize=5)
        ax.set(xlabel="key: attended to", ylabel="query: attending")
    figure.colorbar(images[0], ax=axes, shrink=0.6, label="attention")
    figure.suptitle(f"{_label(result)}: attention on a repeated sequence", x=0.01, ha="left", fontweight="bold")
    return figure


def _role(result: Result, name: str, first: bool) -> str:
    """What a selected head was selected as, with its score. The first is the best one at induction, good or not."""
    layer, head = map(int, name.removeprefix("L").split("H"))
    induction, previous = (lowest(result["scores_report"], score)[layer, head] for score in ("induction", "previous"))
    score, role = (induction, "induction") if first or induction >= previous else (previous, "previous token")
    known = role if score >= STRONG_ENOUGH.threshold else f"nearest to {role}"
    return f"{known}, {hundredths(float(score))} above uniform"


@styled
def head_scores(result: Result) -> Figure:
    """Every head's scores beside uniform attention and untrained models."""
    report = result["scores_report"]
    heads = report.values.shape[2] * report.values.shape[3]
    figure, axes = new_figure(max(8, 0.32 * heads + 3), 5.6, 2, 1)
    titles = {
        "induction": "Induction: attention to what followed the current character before, all block lengths",
        "previous": "Previous token: attention to the position before",
    }
    for ax, (score, title) in zip(axes, titles.items(), strict=True):
        _score_panel(ax, report.sel(score=score), result["random_heads"].sel(score=score).values)
        ax.set_title(title)
    axes[0].legend(fontsize=8, ncols=2)
    figure.suptitle(f"{_label(result)}: what the heads attend to", x=0.01, ha="left", fontweight="bold")
    return figure


def _score_panel(ax: Axes, scores: Sweep, untrained: np.ndarray) -> None:
    """One column per head: a dot per block length; the lowest counts."""
    means = scores.mean("example").values
    lengths, layers, heads = means.shape
    flat = means.reshape(lengths, -1)
    columns = np.arange(layers * heads)
    for row, length in zip(flat, scores.labels("length"), strict=True):
        ax.scatter(
            columns, row, s=14, color=SOFT, label="one block length" if length == scores.labels("length")[0] else None
        )
    ax.scatter(columns, flat.min(0), s=26, color=ACCENT, label="lowest over block lengths", zorder=3)
    ax.axhspan(0, max(float(untrained.max()), 0.002), color=SECOND, alpha=0.15, label="best head of untrained models")
    ax.axhline(0, color=INK, linewidth=0.6)
    least = STRONG_ENOUGH.threshold
    ax.axhline(least, color=INK, linewidth=0.6, linestyle=":", label=f"counts as one from {least} on")
    names = [head_name(c // heads, c % heads) for c in columns]
    ax.set_xticks(columns, names, rotation=90 if len(columns) > 18 else 0, fontsize=8)
    ax.set(ylim=(-0.1, 1.05), ylabel="attention above uniform")
    for boundary in range(1, layers):
        ax.axvline(boundary * heads - 0.5, color=SOFT, linewidth=0.5, zorder=0)


@styled
def behaviour(result: Result) -> Figure:
    """Accuracy on copies beside its baselines, and loss on text by how much of it could be copied."""
    figure, axes = new_figure(9.5, 3.6, 1, 2)
    _accuracy_bars(axes[0], result)
    _match_curves(axes[1], result["match_length"])
    figure.suptitle(f"{_label(result)}: what it does with repeated text", x=0.01, ha="left", fontweight="bold")
    return figure


def _accuracy_bars(ax: Axes, result: Result) -> None:
    runs, tables = result["behaviour"].sel(measure="accuracy").values, result["behaviour_tables"].values
    bars = [
        ("copied\nbefore", runs[0], ACCENT),
        ("other text\nbefore", runs[1], SOFT),
        ("bigram\ntable", tables[1], SOFT),
        ("unigram\ntable", tables[0], SOFT),
    ]
    means = [values.mean() for _, values, _ in bars]
    halves = [1.96 * values.std(ddof=1) / np.sqrt(len(values)) for _, values, _ in bars]
    ax.bar(range(len(bars)), means, yerr=halves, color=[colour for _, _, colour in bars], ecolor=INK, width=0.65)
    for i, mean in enumerate(means):
        ax.text(i, mean + halves[i] + 0.015, f"{100 * mean:.1f} %", ha="center", fontsize=8)
    ax.set_xticks(range(len(bars)), [label for label, _, _ in bars], fontsize=8)
    ax.set(ylim=(0, 1.08), ylabel="accuracy", title="Random characters, second copy")


def _match_curves(ax: Axes, totals: Sweep) -> None:
    sums = totals.values.sum(-1)
    matches = [int(match) for match in totals.labels("match")]
    sources = totals.labels("source")
    count = sums[sources.index("count")]
    enough = count >= 30
    for source, colour in (("model", ACCENT), ("bigram", SOFT), ("5-gram", SECOND)):
        row = sources.index(source)
        means, label = sums[row] / np.maximum(count, 1), source if source == "model" else f"{source} table"
        ax.plot(np.array(matches)[enough], means[enough], color=colour, marker="o", markersize=3.5, label=label)
    ax.set_xticks(matches, [*map(str, matches[:-1]), f"{matches[-1]}+"])
    ax.set(
        xlabel="longest earlier match of what was just read, characters",
        ylabel="loss, nats per character",
        title="Real text",
    )
    legend_above(ax, columns=3, size=8)


@styled
def copying(result: Result) -> Figure:
    """What overwriting a copy costs in real text by length of match, and the loss there beside a table without memory."""
    costs, (_, lengths) = result["copy_costs"], result["copy_places"].values
    whole, copies, others, table = (costs.sel(run=run).values for run in costs.labels("run"))
    figure, axes = new_figure(9.5, 3.8, 1, 2)
    by_length = [lengths == length for length in range(1, 1 + int(lengths.max()))]
    _by_length(axes[0], by_length, copies - whole, ACCENT, "what would be copied")
    _by_length(axes[0], by_length, others - whole, SOFT, "as many other characters")
    axes[0].axhline(0, color=INK, linewidth=0.6)
    axes[0].set(ylabel="loss added by overwriting, nats")
    _by_length(axes[1], by_length, whole, ACCENT, "model")
    _by_length(axes[1], by_length, table, SECOND, "5-gram table, no memory")
    axes[1].set(ylabel="loss, nats per character")
    found = result["copy_counts"].values
    for ax in axes:
        last, names = (
            len(by_length),
            [f"{n}{'+' * (n == len(found) - 1)}\n{found[n]:,}" for n in range(1, 1 + len(by_length))],
        )
        ax.set_xticks(range(1, last + 1), names, fontsize=8)
        ax.set(xlabel="longest right match, characters; places in the text", xlim=(0.5, last + 0.5))
        legend_above(ax, columns=2)
    figure.suptitle(f"{_label(result)}: real text, where copying is right", x=0.01, ha="left", fontweight="bold")
    return figure


def _by_length(ax: Axes, places: list[np.ndarray], values: np.ndarray, colour: str, label: str) -> None:
    """Mean and 95 % normal interval over the places of each length; lengths with fewer than five places are left out."""
    known = [(n, values[here]) for n, here in enumerate(places, 1) if here.sum() >= 5]
    x, means = [n for n, _ in known], [some.mean() for _, some in known]
    halves = [1.96 * some.std(ddof=1) / np.sqrt(len(some)) for _, some in known]
    ax.errorbar(x, means, yerr=halves, color=colour, marker="o", markersize=3.5, capsize=2, label=label)


@styled
def prefixes(result: Result) -> Figure:
    """Every head's attention to what followed an earlier occurrence of the last k characters, above chance."""
    figure, axes = new_figure(9.5, 5.6, 2, 2, sharex=True, sharey=True)
    texts = {"text": "real text", "copies": "copies of few random characters"}
    panels = [(name, baseline) for baseline in result["prefix_text"].labels("baseline") for name in texts]
    for ax, (name, baseline) in zip(axes, panels, strict=True):
        scores = _prefix_scores(result, name, str(baseline))
        matches = range(1, 1 + len(scores))
        ax.plot(matches, scores, color=SOFT, linewidth=0.7)
        best = int(np.nanmax(np.nan_to_num(scores, nan=-1), axis=0).argmax())
        heads = result["prefix_text"].values.shape[3]
        ax.plot(
            matches,
            scores[:, best],
            color=ACCENT,
            marker="o",
            markersize=3.5,
            label=head_name(best // heads, best % heads),
        )
        ax.axhline(0, color=INK, linewidth=0.6)
        ax.set(title=f"{texts[name]}, {baseline}", ylim=(-0.15, 1.02))
        ax.set_xticks(matches)
        ax.legend(fontsize=8)
    for ax in (axes[0], axes[2]):
        ax.set_ylabel("share of attention")
    for ax in axes[2:]:
        ax.set_xlabel("characters that must match")
    figure.suptitle(f"{_label(result)}: prefix matching, a line a head", x=0.01, ha="left", fontweight="bold")
    return figure


def _prefix_scores(result: Result, name: str, baseline: str) -> np.ndarray:
    """`[match, head]` over all layers' heads; NaN where no query has such keys."""
    sums = result[f"prefix_{name}"].sel(baseline=baseline).values.sum(-1)
    queries = result[f"prefix_{name}_queries"].sel(baseline=baseline).values.sum(-1)
    flat = sums.reshape(len(sums), -1) / np.where(queries > 0, queries, np.nan)[:, None]
    return flat


@styled
def routes(result: Result) -> Figure:
    """By which inputs the induction heads are driven, and which earlier heads reach them by which way."""
    clean, corrupt = result["route_plain"].values.mean(-1)
    inputs, heads = result["route_inputs"].mean("example"), result["route_heads"].mean("example")
    names = [str(name) for name in heads.labels("head")]
    figure, axes = new_figure(9.5, max(3.2, 0.3 * len(names) + 1.4), 1, 2)
    ways = [str(way) for way in inputs.labels("inputs")]
    restored = (inputs.sel(direction="denoise").values - corrupt) / (clean - corrupt)
    destroyed = (clean - inputs.sel(direction="noise").values) / (clean - corrupt)
    at = np.arange(len(ways))
    axes[0].barh(at - 0.2, restored, 0.38, color=ACCENT, label="clean, in the corrupt run: restored")
    axes[0].barh(at + 0.2, destroyed, 0.38, color=SECOND, label="corrupt, in the clean run: destroyed")
    axes[0].set_yticks(at, [", ".join(way) for way in ways])
    axes[0].invert_yaxis()
    axes[0].set(
        xlabel="share of the clean-corrupt difference", ylabel="inputs of the induction heads", xlim=(-0.1, 1.1)
    )
    legend_above(axes[0])
    shares = (clean - heads.values) / (clean - corrupt)
    image = heatmap(axes[1], shares, 1.0)
    for row, column in np.ndindex(shares.shape):
        value = float(shares[row, column])
        cell_text(axes[1], row, column, hundredths(value), 8, dark=abs(value) > 0.6)
    axes[1].set_yticks(range(len(names)), names)
    axes[1].set_xticks(range(shares.shape[1]), [str(one) for one in heads.labels("receiver")])
    axes[1].set(title="one earlier head corrupt, on its way to", ylabel="")
    figure.colorbar(image, ax=axes[1], label="share destroyed")
    figure.suptitle(f"{_label(result)}: what drives the induction heads", x=0.01, ha="left", fontweight="bold")
    return figure


def _label(result: Result) -> str:
    return result.subject.label
