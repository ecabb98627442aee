"""The page's attention, lens and heatmap in a notebook: the same components, with their data inside, and no network.

ns.show(checkpoint, "ROMEO: what light", "attention")
ns.show(checkpoint, "ROMEO: what light", "lens")
ns.show(ns.patching.exact(model, task, metric, cells).effect.sel(direction="denoise"))
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.api import described, said, said_of_lens
from nanoscope.dashboard.export import page
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import AnyEdit
from nanoscope.views import live

View = Literal["attention", "lens"]
HEIGHTS = {"attention": 760, "lens": 420, "heatmap": 460}
"""Pixels in a notebook."""


@dataclass(frozen=True)
class Shown:
    """A picture to be looked at in a notebook, where it draws itself, or to be written as a page."""

    title: str
    page: str = field(repr=False)
    height: int

    def _repr_html_(self) -> str:
        frame = f'<iframe title="{html.escape(self.title)}" width="100%" height="{self.height}" style="border:0"'
        return f'{frame} srcdoc="{html.escape(self.page)}"></iframe>'

    def save(self, path: str | Path) -> Path:
        """Write it as a page that opens from disk."""
        files.write_bytes(Path(path), self.page.encode())
        return Path(path)


@overload
def show(
    of: Checkpoint, text: str, view: View = ..., *, edits: Sequence[AnyEdit] = ..., weighted: bool = ...
) -> Shown: ...
@overload
def show(of: Sweep) -> Shown: ...
def show(
    of: Checkpoint | Sweep,
    text: str = "",
    view: View = "attention",
    *,
    edits: Sequence[AnyEdit] = (),
    weighted: bool = False,
) -> Shown:
    """Look at a checkpoint reading a text, by its attention or its logit lens, or at any sweep of one axis or more.

    `edits` change the model while it reads; `weighted` multiplies attention by the lengths of the values. NanoscopeError for a
    text that the model cannot read, and another view.
    """
    if isinstance(of, Sweep):
        return _shown("heatmap", of.unit, {"heatmap": _heatmap(of)})
    if view not in ("attention", "lens"):
        raise NanoscopeError(f"there is no view {view!r} in a notebook; choose attention or lens, or give a sweep")
    answers: dict[str, Any] = {
        "model": described(of, of.corpus or "the model", ""),
        "text": said("", live.predictions(of, text, edits)) | {"before": None},
    }
    if view == "lens":
        answers["lens"] = said_of_lens("", live.lens(of, text, edits))
    else:
        answers["attention"] = _bytes(live.patterns(of, text, edits, weighted))
    return _shown(view, text, answers)


def _shown(view: str, words: str, answers: Mapping[str, Any]) -> Shown:
    held = {"notebook": {"view": view, "text": words}, **answers}
    return Shown(f"{view}: {words}", page(held), HEIGHTS[view])


def _bytes(patterns: np.ndarray) -> dict[str, Any]:
    steps = np.rint(patterns * 255).astype(np.uint8)
    return {"shape": list(steps.shape), "base64": base64.b64encode(steps.tobytes()).decode()}


def _heatmap(of: Sweep) -> dict[str, Any]:
    """The last axis as columns, the others as rows."""
    if not of.dims or not of.values.size:
        raise NanoscopeError("the sweep has no axis to draw; give one with values along at least one axis")
    *before, last = of.dims
    rows = [" ".join(f"{dim} {of.labels(dim)[n]}" for dim, n in zip(before, at, strict=True)) for at in _indices(of)]
    values = of.values.astype(float).ravel()
    largest = np.abs(values[np.isfinite(values)])
    return {
        "rows": rows,
        "columns": [str(label) for label in of.labels(last)],
        "values": values.tolist(),
        "unit": of.unit,
        "limit": float(largest.max()) if largest.size and largest.max() > 0 else 1.0,
    }


def _indices(of: Sweep) -> list[tuple[int, ...]]:
    return list(np.ndindex(of.values.shape[:-1]))
