"""Path patching: how much a metric changes when some receivers read some senders' writes from the corrupt run.

Senders are sources (`L0H3`, `MLP1`, `embed`), receivers are reads (`L1H2.k`, `MLP2`, `logits`). Only direct paths from a
sender to a receiver carry the corrupt run; what "direct" means has to be said:

    edges         the receiver sees clean + (corrupt - clean) of the senders' writes, and nothing in between has changed
                  (Goldowsky-Dill et al. 2023)
    through MLPs  run 1: every head but the senders is frozen to the clean run and the MLPs are computed anew; run 2: the
                  receivers see what they saw in run 1 (Wang et al. 2022, appendix B)

In both, all that follows the receivers is computed anew. Without MLPs both are the same, if no receiver follows another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nanoscope.analysis.circuits.scores import whole_runs
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import Writes, run_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

Direct = Literal["edges", "through MLPs"]


@dataclass(frozen=True, eq=False)
class PathPatch:
    """The metric of each example in the clean run, in the corrupt run, and with the paths patched."""

    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    direct: Direct
    clean: Float[np.ndarray, "example"]
    corrupt: Float[np.ndarray, "example"]
    patched: Float[np.ndarray, "example"]

    @property
    def effect(self) -> Float[np.ndarray, "example"]:
        """What the paths change: patched - clean, in the metric's units."""
        return self.patched - self.clean

    @property
    def share(self) -> float:
        """The mean effect over the mean whole change. NanoscopeError if the metric is the same in both runs."""
        change = float((self.corrupt - self.clean).mean())
        if change == 0:
            raise NanoscopeError(
                "the metric is the same in the clean and the corrupt run; choose texts that differ in it"
            )
        return float(self.effect.mean()) / change

    def __repr__(self) -> str:
        ends = f"{', '.join(self.senders)} -> {', '.join(self.receivers)}"
        return f"PathPatch({ends} ({self.direct}): effect {self.effect.mean():.3g} on {len(self.clean)} examples)"


def path_patch(
    model: GPT,
    task: Task,
    senders: Sequence[str],
    receivers: Sequence[str],
    direct: Direct = "edges",
    metric: Metric = logit_diff,
) -> PathPatch:
    """Patch all direct paths from any of the senders to any of the receivers, in the given meaning of direct.

    NanoscopeError for names that the model has not, and if no receiver can see any of the senders.
    """
    graph = graph_of(model.config)
    sends, receives = _chosen(graph.sources, senders, "sources"), _chosen(graph.reads, receivers, "reads")
    if senders and receivers and not graph.exists[np.ix_(sends, receives)].any():
        raise NanoscopeError("no receiver can see any of the senders; a sender must be computed before it is read")
    with torch.no_grad():
        clean, corrupt = writes_of(model, task.clean).writes, writes_of(model, task.corrupt).writes
        if direct == "edges":
            seen, off = corrupt, np.outer(sends, receives)
        else:
            seen, off = _through_mlps(model, task, sends, clean, corrupt), np.outer(np.ones_like(sends), receives)
        found = run_edges(model, task.clean, _mask(~off, clean), seen)
        patched = metric(found.at(task.positions), task).double().cpu().numpy()
    return PathPatch(tuple(senders), tuple(receivers), direct, *whole_runs(model, task, metric), patched)


def _chosen(known: Sequence[str], names: Sequence[str], what: str) -> Bool[np.ndarray, "_"]:
    missing = [name for name in names if name not in known]
    if missing:
        raise NanoscopeError(f"{missing[0]!r} is none of the model's {what}: {', '.join(known)}")
    return np.isin(known, names)


def _through_mlps(model: GPT, task: Task, sends: Bool[np.ndarray, "source"], clean: Writes, corrupt: Writes) -> Writes:
    """What reads see in run 1: the senders' writes from the corrupt run, MLPs computed anew, all else from the clean run."""
    graph = graph_of(model.config)
    fixed = sends | np.array([not name.startswith("MLP") for name in graph.sources])
    frozen = torch.where(_per_source(sends, clean), corrupt, clean)
    mask = _mask(np.outer(~fixed, np.ones(len(graph.reads), dtype=bool)), clean)
    return torch.where(_per_source(fixed, clean), frozen, run_edges(model, task.clean, mask, frozen).writes)


def _mask(on: Bool[np.ndarray, "source read"], like: Tensor) -> Float[Tensor, "source read"]:
    return torch.from_numpy(on).to(like)


def _per_source(which: Bool[np.ndarray, "source"], like: Writes) -> Bool[Tensor, "source 1 1 1"]:
    return torch.from_numpy(which).to(like.device)[:, None, None, None]
