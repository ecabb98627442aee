"""Finding 3 of the report: how predictions form through the layers."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.lenses.judge import never_above_half
from nanoscope.experiments.pages import Page


def values(study: Study, result: Result) -> Mapping[str, object]:
    """What the logit lens reads after every layer, and how often the top character never comes to stay above one half."""
    first = result["reading_by_kind"].sel(lens="logit lens", layer=0, kind="all")
    return {
        "readings": readings_table(result),
        "tied": result.subject.config["tied_head"],
        "current": float(first.sel(measure="current").values),
        "never_half": never_above_half(result.sweeps),
        "unexplained": float(result["writers_unexplained"].values),
    }


def readings_table(result: Result) -> str:
    """A table of KL(model || logit lens) after every layer, in nats."""
    kl = result["reading_by_kind"].sel(lens="logit lens", measure="kl", kind="all").values.tolist()
    cells = [number(x) if abs(x) > 1e-6 else "0" for x in kl]
    return table(
        ["logit lens", "embedding", *(f"after L{i}" for i in range(len(kl) - 1))], [["KL to the output, nats", *cells]]
    )


PAGE = Page(
    "Finding 3: How a prediction forms, layer by layer",
    figures=("lenses_example", "lenses_writers"),
    values=values,
)
