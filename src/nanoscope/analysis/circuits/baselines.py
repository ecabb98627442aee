"""Scores that know nothing of the behaviour: what an estimate must beat.

random     independent standard normal numbers
weights    how much of a write its reader can see: the composition score |W_read W_write| / (|W_read| |W_write|) in
           Frobenius norms (Elhage et al. 2021), where the matrices are a head's OV and QK or OV circuits, an MLP's
           input and output weights (which leaves its activation out), and the token embedding and the unembedding
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.circuits.scores import EdgeScores, whole_runs
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.folded import fold
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task


def random_scores(model: GPT, task: Task, metric: Metric = logit_diff, seed: int = 0) -> EdgeScores:
    """A random score for each edge, the same in every example."""
    graph = graph_of(model.config)
    values = np.random.default_rng(seed_for("edge scores", seed)).standard_normal(graph.exists.shape) * graph.exists
    return EdgeScores("random", graph, _repeated(values, len(task)), *whole_runs(model, task, metric))


def weight_scores(model: GPT, task: Task, metric: Metric = logit_diff) -> EdgeScores:
    """The composition score of each edge in the folded model, the same in every example; as effects are negative where an edge
    helps, it has the sign of the whole change."""
    graph = graph_of(model.config)
    clean, corrupt = whole_runs(model, task, metric)
    with torch.no_grad():
        writes, reads = _matrices(fold(model))
        values = np.array([[_composition(write, read) for read in reads] for write in writes]) * graph.exists
    sign = np.sign((corrupt - clean).mean()) or 1.0
    return EdgeScores("weights", graph, _repeated(sign * values, len(task)), clean, corrupt)


def _repeated(values: Float[np.ndarray, "source read"], examples: int) -> Float[np.ndarray, "source read example"]:
    return np.repeat(values[..., None], examples, axis=-1)


def _matrices(model: GPT) -> tuple[list[Tensor], list[Tensor]]:
    """For each source a matrix `[*, d_model]` of what it writes, for each read a matrix `[d_model, *]` that it reads with, in
    order."""
    writes, reads = [model.wte.weight], []
    for block in model.blocks:
        attn, heads = block.attn, range(model.config.n_head)
        for head in heads:
            query, key = attn.W_Q[head], attn.W_K[head]
            reads += [query @ key.T, key @ query.T, attn.W_V[head] @ attn.W_O[head]]
        outputs = [attn.W_V[head] @ attn.W_O[head] for head in heads]
        mlp = [] if block.mlp is None else [block.mlp]
        reads += [part.c_fc.weight.T for part in mlp]
        writes += [*outputs, *(part.c_proj.weight.T for part in mlp)]
    return writes, [*reads, model.lm_head.weight.T]


def _composition(write: Float[Tensor, "_ d_model"], read: Float[Tensor, "d_model _"]) -> float:
    size = write.norm() * read.norm()
    return float((write @ read).norm() / size) if size else 0.0
