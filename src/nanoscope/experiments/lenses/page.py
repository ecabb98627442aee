"""Finding 3 of the report: how predictions form through the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number, percent
from nanoscope.experiments.lenses import stored
from nanoscope.experiments.pages import Page

SHORT = {"logit lens": "logit", "tuned lens": "tuned"}


def values(study: Study, result: Result) -> Mapping[str, object]:
    """What both lenses read after every layer, how far the tuned one was fitted, and what the tables can tell."""
    first = result["reading_by_kind"].sel(lens="logit lens", layer=0, kind="all")
    sweeps = result.sweeps
    return {
        "readings": readings_table(sweeps),
        "tied": result.subject.config["tied_head"],
        "current": float(first.sel(measure="current").values),
        "confident": stored.confident(sweeps),
        "unexplained": float(result["writers_unexplained"].values),
        "fit": stored.tuned_fit(sweeps),
        "depths": [(SHORT[lens], stored.mean_depth(sweeps, lens)) for lens in stored.sound_lenses(sweeps)],
        "reaches": stored.reaches(sweeps),
        "tables": tuple(stored.table_losses(sweeps).tolist()),
        "cost": cost(sweeps),
    }


def readings_table(sweeps: Sweeps) -> str:
    """What each lens reads: one row per quantity and lens, one column per reading."""
    lenses = stored.sound_lenses(sweeps)
    rows = [
        *(["KL to the output, nats", lens, *_numbers(stored.kl_to_output(sweeps, lens))] for lens in lenses),
        *(["loss, nats", lens, *_numbers(stored.loss(sweeps, lens))] for lens in lenses),
        *(["settled by here", lens, *_shares(stored.settled_by(sweeps, lens))] for lens in lenses),
    ]
    if stored.reaches(sweeps):
        rows += [["nearest n-gram table", lens, *stored.said(sweeps, lens)] for lens in lenses]
    return _by_reading(sweeps, rows)


def _by_reading(sweeps: Sweeps, rows: Sequence[Sequence[str]]) -> str:
    layers = len(sweeps["reading"].labels("layer")) - 1
    head = ["", "lens", "embedding", *(f"after L{i}" for i in range(layers))]
    return table(head, [[what, SHORT[lens], *cells] for what, lens, *cells in rows])


def _numbers(values: np.ndarray) -> list[str]:
    return [number(x) if abs(x) > 1e-6 else "0" for x in values.tolist()]


def _shares(values: np.ndarray) -> list[str]:
    return [percent(x, 0) for x in values.tolist()]


def cost(sweeps: Sweeps) -> tuple[float, float]:
    """Milliseconds to read one layer, and the time of a forward pass with the lens over that of a plain one (median of pairs
    of runs)."""
    seconds = sweeps["cost"]
    layers = len(sweeps["reading"].labels("layer")) - 1
    both = seconds.sel(what="forward with the lens").values / seconds.sel(what="plain forward").values
    return 1000 * float(np.median(seconds.sel(what="lens alone").values)) / layers, float(np.median(both))


PAGE = Page(
    "Finding 3: How a prediction forms, layer by layer",
    figures=("lenses_example", "lenses_ngrams", "lenses_writers"),
    values=values,
)
