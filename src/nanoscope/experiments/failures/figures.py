"""The figures of experiment 04d: how well each set of features predicts errors, and how errors depend on copying."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, new_figure, styled
from nanoscope.statistics.intervals import TAILS, percentile_interval, resampled_means

FEWEST = 30
"""Bins with fewer positions are not drawn."""


@styled
def areas(result: Result) -> Figure:
    """Area under the ROC curve and log-loss of each set of features, with intervals; the planted failures beside them."""
    figure, axes = new_figure(12, 3.4, 1, 3, sharey=True, width_ratios=(5, 4, 3))
    names = [str(name) for name in result["auroc"].labels("set")]
    _dots(axes[0], result["auroc"], result["auroc_resampled"])
    axes[0].set(title="How well errors are told apart", xlabel="area under the ROC curve")
    _losses(axes[1], result)
    _dots(axes[2], result["planted_auroc"], result["planted_resampled"])
    axes[2].set(title="Planted failures", xlabel="area under the ROC curve", xlim=(0.4, 1.03))
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.suptitle(f"{_label(result)}: what predicts its errors", x=0.01, ha="left", fontweight="bold")
    return figure


def _dots(ax: Axes, values: Sweep, drawn: Sweep) -> None:
    """One dot with its interval per set of features; the line marks the confidence alone."""
    low, high = np.percentile(drawn.values, TAILS, axis=1)
    ax.axvline(float(values.sel(set="confidence").values), color=SOFT, linewidth=0.8, zorder=0)
    _intervals(ax, values.values, low, high, [str(name) for name in values.labels("set")])


def _losses(ax: Axes, result: Result) -> None:
    """Log-loss minus that of the confidence alone, in nats per prediction."""
    positions = result["states"].sel(measure="places").values.sum((0, 1))
    sums = result["log_loss"]
    gain = sums.values - sums.sel(set="confidence").values
    drawn = resampled_means(np.vstack([gain, positions]).T, "losses")
    low, high = np.percentile(drawn[:, :-1] / drawn[:, -1:], TAILS, axis=0)
    ax.axvline(0, color=SOFT, linewidth=0.8, zorder=0)
    _intervals(ax, gain.sum(-1) / positions.sum(), low, high, [str(name) for name in sums.labels("set")])
    ax.set(title="Log-loss beside the confidence's", xlabel="nats per prediction (left is better)")
    ax.xaxis.set_major_locator(MaxNLocator(5))


def _intervals(ax: Axes, values: np.ndarray, low: np.ndarray, high: np.ndarray, names: list[str]) -> None:
    for row, name in enumerate(names):
        if np.isnan(values[row]):
            ax.text(0.02, row, "no other heads", transform=ax.get_yaxis_transform(), fontsize=8, va="center")
            continue
        colour = ACCENT if "circuit" in name else INK if name == "confidence" else SECOND
        ax.plot([low[row], high[row]], [row, row], color=colour, linewidth=2)
        ax.plot(values[row], row, "o", color=colour, markersize=5)


@styled
def states(result: Result) -> Figure:
    """Share of wrong predictions against the model's confidence, by what copying would say; what each feature counts."""
    figure, axes = new_figure(12, 5.2, 1, 2, width_ratios=(4, 5))
    _error_rates(axes[0], result["states"])
    _coefficients(axes[1], result["coefficients"])
    figure.suptitle(f"{_label(result)}: when it is wrong", x=0.01, ha="left", fontweight="bold")
    return figure


def _error_rates(ax: Axes, sums: Sweep) -> None:
    ax.plot([0, 1], [1, 0], color=SOFT, linewidth=0.8, zorder=0)
    ax.text(0.02, 0.03, "grey: as sure as right", fontsize=8, color=INK)
    for group, colour in zip(sums.labels("group"), (THIRD, ACCENT, SECOND), strict=True):
        rows = [
            _rate(one, str(group)) for one in np.moveaxis(sums.sel(group=group).values, 1, 0) if one[0].sum() >= FEWEST
        ]
        if not rows:
            continue
        x, y, low, high = np.array(rows).T
        ax.plot(x, y, "o-", color=colour, markersize=4, label=str(group))
        ax.vlines(x, low, high, color=colour, linewidth=1.5)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="probability of the first choice", ylabel="share that is wrong")
    ax.set_title("Errors by confidence and by what copying would say")
    ax.legend(fontsize=8, loc="upper right")


def _rate(sums: np.ndarray, label: str) -> tuple[float, float, float, float]:
    """Mean confidence, share of errors and its interval in one bin, from sums `[measure, window]`."""
    positions, errors, sure = sums.sum(-1)
    drawn = resampled_means(sums[:2].T, "error rate", label)
    return sure / positions, errors / positions, *percentile_interval(drawn[:, 1] / drawn[:, 0].clip(1e-9))


def _coefficients(ax: Axes, coefficients: Sweep) -> None:
    names = [str(name) for name in coefficients.labels("feature")]
    colours = [ACCENT if value > 0 else THIRD for value in coefficients.values]
    ax.barh(range(len(names)), coefficients.values, color=colours)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.invert_yaxis()
    ax.set(title="What each feature counts: confidence + circuit", xlabel="log-odds of an error per standard deviation")


def _label(result: Result) -> str:
    return result.subject.label
