"""Experiment 01, the induction heads' inputs: do their keys, queries or values carry the copy, and from which earlier head?

Path patching (Goldowsky-Dill et al. 2023) of what the heads' queries, keys and values read:

inputs        a set of these inputs of all induction heads sees the other run's writes of everything before. *denoise*: the
              corrupt run with clean inputs; *noise*: the clean run with corrupt ones. Keys find the place, values carry the
              token: where each alone restores nothing and both restore all, they are an AND; where one alone restores all,
              what is before it is a chain.
earlier heads one earlier head's corrupt writes are seen by the induction heads' queries, keys or values, or by the logits, in
              the clean run: on which way its part of the copy goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edges.graph import LOGITS, WAYS, graph_of
from nanoscope.interventions.edges.run import EdgeRun, rerun_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.model.names import head_name
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task

INPUTS = tuple("".join(some) for size in (1, 2, 3) for some in combinations(WAYS, size))
"""Every set of inputs: q, k, v, qk, qv, kv, qkv."""
RECEIVERS = (*WAYS, LOGITS)
CHUNK = 16
Head = tuple[int, int]


def possible(model: GPT) -> bool:
    """Whether a model's writes add up, so that paths can be patched."""
    try:
        graph_of(model.config)
    except NanoscopeError:
        return False
    return True


def measure(model: GPT, task: Task, heads: Sequence[Head]) -> dict[str, Sweep]:
    """`route_inputs [direction, inputs, example]` and `route_heads [head, receiver, example]`, logits of the patched runs;
    `route_plain [run, example]`, those of the clean and the corrupt run."""
    parts = [_measure(model, task[first : first + CHUNK], heads) for first in range(0, len(task), CHUNK)]
    inputs, earlier, plain = (np.concatenate(some, axis=-1) for some in zip(*parts, strict=True))
    names = tuple(head_name(*head) for head in _earlier(model, heads))
    return {
        "route_inputs": Sweep(inputs, ("direction", "inputs", "example"), "logits",
                              {"direction": ("denoise", "noise"), "inputs": INPUTS}),
        "route_heads": Sweep(earlier, ("head", "receiver", "example"), "logits", {"head": names, "receiver": RECEIVERS}),
        "route_plain": Sweep(plain, ("run", "example"), "logits", {"run": ("clean", "corrupt")}),
    }  # fmt: skip


def _earlier(model: GPT, heads: Sequence[Head]) -> list[Head]:
    """The heads of all layers below the last induction head."""
    last = max(layer for layer, _ in heads)
    return [(layer, head) for layer in range(last) for head in range(model.config.n_head)]


def _measure(model: GPT, task: Task, heads: Sequence[Head]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three arrays of `measure` for some of the examples."""
    graph, layer = graph_of(model.config), min(layer for layer, _ in heads)
    every = np.ones(len(graph.sources), dtype=bool)
    by_way = {way: np.isin(graph.reads, [f"{head_name(*head)}.{way}" for head in heads]) for way in WAYS}
    sets = [np.any([by_way[way] for way in some], axis=0) for some in INPUTS]
    receivers = [*by_way.values(), np.array(graph.reads) == LOGITS]
    senders = [np.array(graph.sources) == head_name(*head) for head in _earlier(model, heads)]
    with torch.no_grad():
        runs = _Runs(model, task, writes_of(model, task.clean), writes_of(model, task.corrupt), layer)
        inputs = [[run(every, reads) for reads in sets] for run in (runs.denoised, runs.noised)]
        earlier = [[runs.noised(one, reads) for reads in receivers] for one in senders]
        plain = [runs.metric(run) for run in (runs.clean, runs.corrupt)]
    return np.array(inputs), np.array(earlier).reshape(len(senders), len(RECEIVERS), len(task)), np.array(plain)


@dataclass(frozen=True)
class _Runs:
    """The clean and the corrupt run of a task, and either with some of its edges from the other; reads of `layer` on only."""

    model: GPT
    task: Task
    clean: EdgeRun
    corrupt: EdgeRun
    layer: int

    def noised(
        self, sends: Bool[np.ndarray, "source"], reads: Bool[np.ndarray, "read"]
    ) -> Float[np.ndarray, "example"]:
        """The metric of the clean run where these reads see these sources' writes of the corrupt run."""
        return self._mixed(self.task.clean, self.clean, self.corrupt, sends, reads)

    def denoised(
        self, sends: Bool[np.ndarray, "source"], reads: Bool[np.ndarray, "read"]
    ) -> Float[np.ndarray, "example"]:
        """The metric of the corrupt run where these reads see these sources' writes of the clean run."""
        return self._mixed(self.task.corrupt, self.corrupt, self.clean, sends, reads)

    def _mixed(
        self, tokens: Tensor, mine: EdgeRun, other: EdgeRun, sends: np.ndarray, reads: np.ndarray
    ) -> Float[np.ndarray, "example"]:
        mask = torch.from_numpy(~np.outer(sends, reads)).to(other.writes)
        return self.metric(rerun_edges(self.model, mine, tokens, mask, other.writes, self.layer))

    def metric(self, run: EdgeRun) -> Float[np.ndarray, "example"]:
        """The logit difference of answer and wrong answer."""
        return metrics.logit_diff(metrics.read(run.logits, self.task), self.task).double().cpu().numpy()
