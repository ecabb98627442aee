"""Markdown that the report's sections share: links, figures and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, figure_path


def link(result: Result) -> str:
    """The path of a result's numbers, relative to the report."""
    return f"results/{result.key}/result.json"


def picture(study: Study, label: str, figure: str) -> str:
    """A figure of one model, as a Markdown image; of which one is said where it is not the main one."""
    of = "" if label == study.main else f", {label}"
    return f"![{figure.replace('_', ' ')}{of}]({figure_path(study, label, figure)})"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    body = ["".join(f" {cell} |" if cell else " |" for cell in row) for row in (columns, *rows)]
    return "\n".join("|" + line for line in (body[0], "---|" * len(columns), *body[1:]))
