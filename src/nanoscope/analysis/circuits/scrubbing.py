"""Causal scrubbing: is a hypothesis about what matters to each write all that the behaviour needs?

A hypothesis says which edges matter and, of each, what about the text must agree for one write to stand for another:

    Matters("L1H0->logits", continuation, (          # texts with the same continuation may exchange what L1H0 writes
        Matters("embed->L1H0.q", token_back(0)),     # it is computed from queries that agree on the token,
        Matters("L0H0->L1H0.k", token_back(1)),      # keys that agree on the token before,
        Matters("embed->L1H0.v", token_back(0))))    # and values that agree on the token

For every text, a write is computed from its inputs as they are elsewhere, recursively. At every position its reader then gets
it from a text drawn among those that agree there, the text itself included. Inputs of a node that the hypothesis does not
name come from any text, one for all of them. A write without inputs of its own is that of the drawn text's plain run. The
texts are the task's clean ones. What is exchanged stays at its position, so texts always agree on positions.

    recovered = (L_random - L_scrubbed) / (L_random - L_model)

L is the loss of the answers; L_random that of the empty hypothesis: the logits of any text.

Source: Chan et al. 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import EMBED, LOGITS, Edge, Graph, graph_of
from nanoscope.interventions.edges.run import EdgeRun, Writes, run_mixed, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks.metrics import Metric, loss
from nanoscope.tasks.task import Task

Agree = Callable[[Int[Tensor, "example pos"]], Int[Tensor, "example pos"]]
"""From tokens to labels: writes at a position may be exchanged between texts whose labels are equal there."""


@dataclass(frozen=True)
class Matters:
    """An edge that matters, what must agree for its write to be exchanged, and which inputs of its source matter in turn.

    Without inputs the source's write is taken as a whole from the drawn text."""

    edge: str
    agree: Agree
    inputs: tuple[Matters, ...] = ()


def nothing(tokens: Int[Tensor, "example pos"]) -> Int[Tensor, "example pos"]:
    """All texts agree."""
    return torch.zeros_like(tokens)


def itself(tokens: Int[Tensor, "example pos"]) -> Int[Tensor, "example pos"]:
    """A text agrees with itself alone."""
    return torch.arange(len(tokens))[:, None].expand_as(tokens)


def token_back(distance: int) -> Agree:
    """Texts agree on the token so many positions back (0: the token itself); all agree where there is none."""

    def labels(tokens: Int[Tensor, "example pos"]) -> Int[Tensor, "example pos"]:
        return F.pad(tokens, (distance, 0), value=-1)[:, : tokens.shape[1]]

    return labels


def continuation(tokens: Int[Tensor, "example pos"]) -> Int[Tensor, "example pos"]:
    """Texts agree on the token that followed the last earlier occurrence of the current one; so do all without one."""
    size = tokens.shape[1]
    earlier = (tokens[:, :, None] == tokens[:, None]) & torch.ones(size, size, dtype=torch.bool).tril(-1)
    at = torch.where(earlier, torch.arange(size), -1).amax(-1)
    return torch.where(at >= 0, tokens.gather(1, (at + 1).clamp(max=size - 1)), -1)


def induction(previous: Sequence[str], heads: Sequence[str]) -> tuple[Matters, ...]:
    """The hypothesis of induction heads (Elhage et al. 2021): their queries and values read the token, their keys the token
    before, as previous-token heads have written it; texts with the same continuation may exchange what they write."""
    token = token_back(0)
    return tuple(
        Matters(f"{head}->{LOGITS}", continuation, (
            Matters(f"{EMBED}->{head}.q", token),
            *(Matters(f"{one}->{head}.k", token_back(1)) for one in previous),
            Matters(f"{EMBED}->{head}.v", token),
        ))
        for head in heads
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scrubbed:
    """The loss in each draw of texts, in the model's own runs, and on average over the logits of all texts (random)."""

    losses: Float[np.ndarray, "draw example"]
    model: Float[np.ndarray, "example"]
    random: Float[np.ndarray, "example"]
    exchanged: tuple[tuple[str, float], ...]
    """Each edge of the hypothesis, and the share of its writes that another text is expected to supply (of those into the
    logits, at the reads). Where it is near 0 nothing is tested: too few texts agree."""

    @property
    def recovered(self) -> float:
        """The share of the random texts' excess loss that the hypothesis avoids, 1 if it loses nothing."""
        return float(self.shares.mean())

    @property
    def error(self) -> float:
        """The standard error of `recovered` over draws, for these texts; infinite for a single draw."""
        draws = len(self.losses)
        return float(self.shares.std(ddof=1) / np.sqrt(draws)) if draws > 1 else float("inf")

    @property
    def shares(self) -> Float[np.ndarray, "draw"]:
        """What each draw recovers."""
        return (self.random.mean() - self.losses.mean(1)) / (self.random.mean() - self.model.mean())

    def __repr__(self) -> str:
        return (
            f"Scrubbed({self.recovered:.1%} recovered, standard error {self.error:.1%} over {len(self.losses)} draws)"
        )


def scrub(
    model: GPT, task: Task, hypothesis: Sequence[Matters], metric: Metric = loss, draws: int = 20, seed: int = 0
) -> Scrubbed:
    """Test a hypothesis: the edges into the logits that matter, and of each what matters to it in turn.

    NanoscopeError for edges that the model has not or that do not lead to the node above, for labels of another shape, for
    no draws, and for texts whose logits are worth as much in any order.
    """
    graph = graph_of(model.config)
    if draws < 1:
        raise NanoscopeError(f"draws must be at least 1, not {draws}")
    _check(graph, hypothesis, LOGITS, task)
    with torch.no_grad():
        own = writes_of(model, task.clean)
        measured = metric(own.at(task.positions), task).double().cpu().numpy()
        random = _random(own, task, metric)
        if abs(random.mean() - measured.mean()) < 1e-9 * abs(random.mean()):
            raise NanoscopeError("the loss is the same with the logits of any text; give texts with different answers")
        scrubbing = [_Scrubbing(model, graph, task.clean, own.writes, _generator(seed, n)) for n in range(draws)]
        runs = (metric(one.run(LOGITS, hypothesis).at(task.positions), task) for one in scrubbing)
        losses = np.stack([values.double().cpu().numpy() for values in runs])
    return Scrubbed(losses, measured, random, tuple(_exchanged(hypothesis, task)))


def _generator(seed: int, draw: int) -> np.random.Generator:
    return np.random.default_rng(seed_for("scrubbing", seed, draw))


def _check(graph: Graph, inputs: Sequence[Matters], node: str, task: Task) -> None:
    for one in inputs:
        edge = Edge.named(one.edge)
        graph.index(edge)
        if edge.read.partition(".")[0] != node:
            raise NanoscopeError(f"{edge} does not lead to {node}, below which it stands in the hypothesis")
        if one.agree(task.clean).shape != task.clean.shape:
            raise NanoscopeError(f"what must agree for {edge} must be one label for each text and position")
        _check(graph, one.inputs, edge.source, task)
    if len({one.edge for one in inputs}) < len(inputs):
        raise NanoscopeError(f"an edge to {node} is in the hypothesis twice; name it once, with all that matters to it")


def _random(own: EdgeRun, task: Task, metric: Metric) -> Float[np.ndarray, "example"]:
    """The metric of each example's answers on the logits of every example at the same positions, averaged."""
    count = len(task)
    each = [task[n : n + 1].tiled(count) for n in range(count)]
    values = [metric(own.at(one.positions), one).double().mean() for one in each]
    return torch.stack(values).cpu().numpy()


def _exchanged(inputs: Sequence[Matters], task: Task) -> Iterator[tuple[str, float]]:
    for one in inputs:
        labels = one.agree(task.clean)
        others = 1 - 1 / (labels[:, None] == labels[None]).double().sum(0)
        counted = others.gather(1, task.positions) if Edge.named(one.edge).read == LOGITS else others
        yield one.edge, float(counted.mean())
        yield from _exchanged(one.inputs, task)


@dataclass(frozen=True)
class _Scrubbing:
    """One draw of texts."""

    model: GPT
    graph: Graph
    tokens: Tensor
    own: Writes
    rng: np.random.Generator

    def run(self, node: str, inputs: Sequence[Matters]) -> EdgeRun:
        """A run in which the node's reads see what the hypothesis says; what other nodes see does not matter."""
        count = len(self.tokens)
        any_text = torch.from_numpy(self.rng.permutation(count)).to(self.own.device)
        rest = self.model.wte.weight.new_ones(self.graph.exists.shape)
        others = []
        for one in inputs:
            share, at = torch.zeros_like(rest), self.graph.index(Edge.named(one.edge))
            share[at], rest[at] = 1, 0
            others.append((share, self._write(one).expand(len(self.graph.sources), -1, -1, -1)))
        return run_mixed(self.model, self.tokens, torch.zeros_like(rest), [*others, (rest, self.own[:, any_text])])

    def _write(self, one: Matters) -> Float[Tensor, "example pos d_model"]:
        """What the edge carries: at every position the write of a text that agrees there."""
        source = Edge.named(one.edge).source
        writes = self.run(source, one.inputs).writes if one.inputs else self.own
        partner = self._partners(one.agree(self.tokens).cpu().numpy())
        positions = torch.arange(partner.shape[1], device=self.own.device)
        return writes[self.graph.sources.index(source)][partner, positions]

    def _partners(self, labels: Int[np.ndarray, "example pos"]) -> Int[Tensor, "example pos"]:
        """For each text and position a text with the same label there, drawn uniformly among them."""
        order = np.argsort(labels, axis=0, kind="stable")
        in_order = np.take_along_axis(labels, order, axis=0)
        columns = list(zip(in_order.T, labels.T, strict=True))
        first = np.stack([np.searchsorted(known, wanted, "left") for known, wanted in columns], axis=1)
        end = np.stack([np.searchsorted(known, wanted, "right") for known, wanted in columns], axis=1)
        drawn = np.take_along_axis(order, self.rng.integers(first, end), axis=0)
        return torch.from_numpy(drawn).to(self.own.device)
