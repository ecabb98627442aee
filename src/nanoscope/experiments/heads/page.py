"""Finding 2 of the report, attention heads: the values that `page.md.j2` is filled with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from nanoscope.evidence.markdown import (
    evidence_table,
    heading,
    link,
    not_measured,
    over_trainings,
    picture,
    said,
    status,
    table,
)
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import Fact, fill_file, number
from nanoscope.experiments.chapters import FINDING_2
from nanoscope.experiments.pages import Page
from nanoscope.model.names import head_name

PICTURES = {
    "model": ("taxonomy", "grid", "cards", "ablation", "composition", "planted"),
    "control": ("taxonomy", "cards"),
    "planted": (),
}
TOP = 8
TEMPLATE = Path(__file__).with_name("page.md.j2")


def section(study: Study) -> str:
    """The whole of finding 2."""
    main = study.result(study.main, "heads")
    share = main.finding("heads.classified") if main else None
    values = {
        "status": status(study, "heads", "classified"),
        "models": [_model(study, label) for label in study.shown],
        "main": study.main,
        "verdict": share and share.verdict,
        "over_trainings": share and over_trainings(study, share.id),
    }
    return fill_file(TEMPLATE, values)


def _model(study: Study, label: str) -> dict[str, object]:
    """The template's values for one model."""
    result = study.result(label, "heads")
    if result is None:
        return {"instead": not_measured(study, label, "heads")}
    return {
        "heading": heading(study, label),
        "said": partial(said, result),
        "evidence": f"([evidence]({link(result)}))",
        "properties": _properties(result),
        "characters": _characters(result),
        "clearest": _clearest(result),
        "pictures": [picture(study, label, f"heads_{name}") for name in PICTURES[study.role(label)]],
        "claims": evidence_table(result),
    }


def _properties(result: Result) -> dict[str, Fact]:
    """The most positional head, the broadest head, and the head that attends most to the first token."""
    positional, breadth = result["positional"].values, result["breadth"].values
    untrained, first = result["untrained_positional"].values, result["scores_report"].sel(cls="first token").values
    most, widest, sink = (np.unravel_index(values.argmax(), values.shape) for values in (positional, breadth, first))
    return {
        "positional": _name(most),
        "variance": float(positional[most]),
        "untrained_least": float(untrained.min()),
        "untrained_most": float(untrained.max()),
        "broadest": _name(widest),
        "breadth": float(breadth[widest]),
        "sink": _name(sink),
        "sink_score": float(first[sink]),
        "sink_value": float(result["first_value"].values[sink]),
    }


def _characters(result: Result) -> list[str]:
    """The characters that the clearest heads attend to most and raise most, by their weights."""
    symbols = [_in_words(str(symbol)) for symbol in result["symbols"].labels("symbol")]
    parts = []
    for layer, head in _shown(result)[:4]:
        (query, key, score), (source, target, logits) = (
            result[table].values[layer, head, 0] for table in ("qk_strongest", "ov_strongest")
        )
        if not np.isnan(score + logits):
            parts.append(
                f"{head_name(layer, head)} looks most from {symbols[int(query)]} at {symbols[int(key)]}, and raises "
                f"{symbols[int(target)]} after attending to {symbols[int(source)]} ({logits:+.2f} logits)"
            )
    return parts


def _clearest(result: Result) -> str:
    """A table of the heads with the clearest classes, each with its second-best class."""
    classes = [str(name) for name in result["scores_report"].labels("cls")]
    report, p, copying = result["scores_report"].values, result["p"].values, result["copying"].values
    rows = []
    for layer, head in _shown(result)[:TOP]:
        order = np.argsort(-report[:, layer, head], kind="stable")
        label = int(result["label"].values[layer, head])
        own = label if label >= 0 else int(order[0])
        second = next(int(i) for i in order if i != own)
        scores = (report[own, layer, head], p[own, layer, head], report[second, layer, head], copying[layer, head])
        above, chance, after, copies = (number(float(score)) for score in scores)
        name = classes[own] if label >= 0 else "none"
        rows.append((head_name(layer, head), name, above, chance, f"{classes[second]} {after}", copies))
    return table(("head", "class", "above chance", "p over all heads, classes", "next", "OV copies (-1 to 1)"), rows)


def _shown(result: Result) -> list[tuple[int, int]]:
    """All heads: those with a class first, then by score."""
    report, label = result["scores_report"].values, result["label"].values.astype(int)
    own = np.take_along_axis(report, np.maximum(label, 0)[None], axis=0)[0]
    clear = np.where(label >= 0, 10 + own, report.max(axis=0))
    order = np.argsort(-clear, axis=None, kind="stable")
    return [(int(i // label.shape[1]), int(i % label.shape[1])) for i in order]


def _name(at: tuple) -> str:
    return head_name(int(at[0]), int(at[1]))


def _in_words(symbol: str) -> str:
    return {"\n": "a newline", " ": "a space"}.get(symbol, f"`{symbol}`")


PAGE = Page(FINDING_2, section)
