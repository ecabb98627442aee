"""A circuit of a given size by gradient descent: one number per edge, of which the n largest are on.

    minimise  KL(clean || circuit of the largest numbers)     over the numbers, while their count shrinks from all edges to n

In the forward pass the mask is 0 or 1; its gradient is passed on to the numbers through a sigmoid around the smallest that is
on (straight-through estimation; Bengio et al. 2013). Numbers start at the ranks of some scores. An edge that was dropped too
early comes back, as long as the others that it needs are still on. The best circuit seen is kept, or that of the scores if none
is better.

Source: masks over edges as in Edge Pruning (Bhaskar et al. 2024), which penalises the number of edges instead of fixing it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.analysis.circuits.search import Ranking, top, worth_of
from nanoscope.interventions.edges.run import run_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import kl
from nanoscope.tasks.task import Task

STEPS = 100
RATE = 0.05
"""Of Adam. Numbers start between 0 and 1, so an edge can cross all others in twenty steps."""
SHRINKING = 0.8
"""The share of the steps in which the circuit shrinks."""
WIDTH = 0.2
"""Of the sigmoid: edges whose numbers are so far from the n-th largest still feel the gradient."""


def learned(
    model: GPT,
    task: Task,
    start: EdgeScores,
    edges: int,
    ranking: Ranking = "absolute",
    steps: int = STEPS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Circuit:
    """The circuit of so many edges whose predictions are nearest to the model's. Raises what `top` does."""
    numbers = _start(start, ranking).to(model.wte.weight).requires_grad_()
    exists = torch.from_numpy(start.graph.exists).to(model.device)
    with torch.no_grad():
        other, clean = writes_of(model, task.corrupt).writes, writes_of(model, task.clean)
    divergence = kl(clean.at(task.positions))

    def distance(mask: Float[Tensor, "source read"]) -> Tensor:
        return divergence(run_edges(model, task.clean, mask, other).at(task.positions), task).mean()

    with torch.no_grad():
        best = top(start, edges, ranking)
        least = distance(best.mask(model)).item()
    optimiser = torch.optim.Adam([numbers], lr=RATE)
    for step in range(steps):
        size = _size(len(start.graph), edges, step / (SHRINKING * steps))
        with torch.enable_grad():
            mask = _mask(numbers, exists, size)
            loss = distance(mask)
        if size == edges and loss.item() < least:
            least, best = loss.item(), Circuit(start.graph, mask.detach().cpu().numpy() > 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress(step + 1, steps)
    return best


def _size(everything: int, edges: int, progress: float) -> int:
    """How many edges are on: from all of them to the number asked for, by equal factors."""
    return max(edges, round(everything * (edges / everything) ** min(progress, 1.0)))


def _start(scores: EdgeScores, ranking: Ranking) -> Float[Tensor, "source read"]:
    """Ranks of the edges' scores, between 0 and 1: how far apart scores are says nothing about how close the choice is."""
    worth, exists = worth_of(scores, ranking), scores.graph.exists
    ranks = np.zeros(worth.shape)
    # equal scores keep the graph's order, as in `top`
    order = sorted(map(tuple, np.argwhere(exists.T)), key=lambda at: -worth[at[1], at[0]])
    for number, (r, s) in enumerate(order):
        ranks[s, r] = 1 - number / len(order)
    return torch.from_numpy(ranks)


def _mask(numbers: Float[Tensor, "source read"], exists: Tensor, edges: int) -> Float[Tensor, "source read"]:
    found = numbers.detach()[exists].topk(min(edges + 1, int(exists.sum()))).values
    bar = found[edges - 1 :].mean()  # between the last that is on and the first that is not
    soft = torch.sigmoid((numbers - bar) / WIDTH) * exists
    hard = torch.zeros_like(soft)
    chosen = numbers.detach().masked_fill(~exists, -torch.inf).flatten().topk(edges).indices
    hard.view(-1)[chosen] = 1
    return hard + (soft - soft.detach())
