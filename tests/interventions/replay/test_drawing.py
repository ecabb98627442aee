"""The worked example of docs/replay.md is what `changes` says."""

from itertools import groupby
from pathlib import Path

import numpy as np

from nanoscope.interventions.replay.cells import EditedSite
from nanoscope.interventions.replay.changes import Flow, edited_positions, propagate, read_mask
from nanoscope.interventions.replay.data_flow import block_steps
from nanoscope.model.config import GPTConfig
from nanoscope.model.sites import Site

PAGE = Path(__file__).parents[3] / "docs" / "replay.md"
CONFIG = GPTConfig(n_layer=3, n_head=2, n_embd=16, block_size=6, vocab_size=13)


def drawing(edit: EditedSite, read: int) -> str:
    """A line for each run of activations that are computed at the same positions."""
    reads = read_mask(np.array([[read]]), CONFIG.block_size)
    flow = propagate(CONFIG, edited_positions([[edit]], 1, CONFIG.block_size), reads)
    lines = [f"position  {' '.join(map(str, range(CONFIG.block_size)))}"]
    for layer in range(CONFIG.n_layer):
        marked = [(_marks(flow, edit, layer, step.site), step.site) for step in block_steps(CONFIG)]
        grouped = groupby(marked, key=lambda one: one[0])
        lines += [f"layer {layer}   {marks}  {' '.join(name for _, name in some)}" for marks, some in grouped]
    return "\n".join([*lines, f"          {' '.join('#' if there else '.' for there in flow.final[0])}  logits"])


def _marks(flow: Flow, edit: EditedSite, layer: int, name: str) -> str:
    """E edited, # computed, b read from the base run, a absorbed (never made), . not needed."""
    here, marks = flow.layers[layer], np.full(CONFIG.block_size, ".")
    if name == "q":
        marks[here.queries[0]] = "b"
    if name in "kv" and here.queries[0].any():
        marks[: np.flatnonzero(here.queries[0])[-1] + 1] = "b"
        marks[here.own[0] & here.absorbed[0]] = "a"
    marks[here.changed[name][0]] = "#"
    if (name, layer) == (edit.site.name, edit.site.layer):
        marks[edit.covered] = "E"
    return " ".join(marks)


def test_the_drawing_in_the_docs_is_what_is_computed() -> None:
    edit = EditedSite(Site("resid_pre", 1, pos=2), slice(2, 3), np.ones((1, 1), dtype=bool))
    assert drawing(edit, read=4) in PAGE.read_text()
