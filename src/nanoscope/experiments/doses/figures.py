"""The figures of the dose-response: when heads form, by what copying could gain, with the law; and every training's curve."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.result import Result
from nanoscope.experiments.doses.law import (
    Law,
    fitted,
    gain,
    held_out,
    iterations,
    seen,
    share_in_time,
    times_of,
)
from nanoscope.experiments.doses.page import law_of
from nanoscope.experiments.emergence.events import FORMED
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, new_figure, ordered_colours, plain_logarithms, styled

BAND = (0.1, 0.9)
"""The law's middle 80 % of trainings."""


GAINS = (0.1, 0.2, 0.5, 1.0)
"""Labels of the axis of gains."""


@styled
def formation(result: Result) -> Figure:
    """Left, how many trainings of each dose form a head in time; right, when, a dot a training; lines are the law."""
    figure, (counts, times) = new_figure(9.6, 3.6, 1, 2)
    law = law_of(result.sweeps)
    _counts(counts, result.sweeps, law)
    _times(times, result.sweeps, law)
    figure.legend(*times.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(f"{result.subject.label}: when induction heads form", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def curves(result: Result) -> Figure:
    """The best head's induction score through every training, by dose."""
    sweeps = result.sweeps["curves"]
    doses, steps = sweeps.labels("dose"), np.array(sweeps.labels("step"), dtype=float)
    figure, (ax,) = new_figure(7.6, 3.8)
    for dose, colour in zip(doses, ordered_colours(len(doses)), strict=True):
        rows = sweeps.sel(dose=dose).values
        rows = rows[~np.isnan(rows).any(1)]
        for number, row in enumerate(rows):
            ax.plot(steps, row, color=colour, linewidth=0.8, label=f"{dose:g}" if number == 0 else None)
    ax.axhline(FORMED, color=INK, linestyle=":", linewidth=0.8)
    ax.set(xlabel="iteration", ylabel="best induction score above chance", ylim=(-0.05, 1.0))
    ax.legend(title="dose", fontsize=8, title_fontsize=8, loc="upper left", ncols=2)
    ax.set_title("dotted: formed from here on", fontsize=9)
    figure.suptitle(f"{result.subject.label}: the best head of every training", x=0.01, ha="left", fontweight="bold")
    return figure


def _counts(ax: Axes, sweeps: Sweeps, law: Law | None) -> None:
    """The share of trainings that form a head, with the law's probability."""
    for doses, colour in ((fitted(sweeps), SECOND), (held_out(sweeps), ACCENT)):
        found = [(dose, what.forming / what.trainings) for dose in doses if (what := seen(sweeps, dose)) is not None]
        if found:
            ax.plot(*np.array(found).T, "o", color=colour, markersize=5)
    if law:
        grid = sweeps["gain"].labels("dose")
        ax.plot(grid, [share_in_time(sweeps, law, float(dose)) for dose in grid], color=INK, linewidth=1)
    last = f"{iterations(sweeps):,.0f}"
    ax.set(xlabel="dose: share of windows with a copy", ylabel=f"formed within {last} iterations", ylim=(-0.05, 1.05))
    ax.set_title("share of trainings", fontsize=9)


def _times(ax: Axes, sweeps: Sweeps, law: Law | None) -> None:
    """The iteration of formation by the available gain, both logarithmic."""
    last = iterations(sweeps)
    for doses, colour, name in (
        (fitted(sweeps), SECOND, "fitted doses"),
        (held_out(sweeps), ACCENT, "held-out doses"),
    ):
        with_gain = [dose for dose in doses if gain(sweeps, dose) > 0]
        points = [(gain(sweeps, dose), time) for dose in with_gain for time in times_of(sweeps, dose)]
        if points:
            x, y = np.array(points).T
            formed = np.isfinite(y)
            ax.plot(x[formed], y[formed], "o", color=colour, markersize=4, alpha=0.7, label=name)
            ax.plot(x[~formed], np.full((~formed).sum(), last), "x", color=colour, markersize=4)
    if law:
        gains = sweeps["gain"].values
        _law(ax, law, np.geomspace(float(gains[1]), float(gains[-1]), 60))
    ax.axhline(
        last, color=SOFT, linestyle="--", linewidth=0.8, label="end of training (x: a training that formed none)"
    )
    ax.set(
        xscale="log", yscale="log", xlabel="what copying could gain, nats per token", ylabel="iteration of formation"
    )
    ax.set_ylim(top=1.3 * last)
    ax.set_xlim(
        left=0.8 * min(worth for dose in (*fitted(sweeps), *held_out(sweeps)) if (worth := gain(sweeps, dose)) > 0)
    )
    plain_logarithms(ax)
    ax.set_xticks(GAINS, [f"{tick:g}" for tick in GAINS])
    ax.minorticks_off()
    ax.set_title("each training", fontsize=9)


def _law(ax: Axes, law: Law, gains: np.ndarray) -> None:
    """The median of the law, and its middle 80 %."""
    middle = np.exp(law.intercept + law.slope * np.log(gains))
    low, high = (middle * (share / (1 - share)) ** law.spread for share in BAND)
    ax.plot(gains, middle, color=INK, linewidth=1, label="law")
    ax.fill_between(gains, low, high, color=INK, alpha=0.12, linewidth=0)
