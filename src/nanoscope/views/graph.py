"""The attribution graph of the next token of a user's text: its nodes and edges by name, its scores, and how far it is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from nanoscope.analysis.features.graph import (
    ERROR,
    FEATURE,
    HEAD,
    KINDS,
    LOGIT,
    TOKEN,
    AttributionGraph,
    through_attention,
)
from nanoscope.analysis.features.head_graph import with_heads
from nanoscope.analysis.features.influence import Kept, Scores, influence, scores, shares, strongest
from nanoscope.analysis.features.local_model import local_model
from nanoscope.analysis.features.roles import roles
from nanoscope.analysis.features.verify import Agreement, agreement, predicted_effects, verified
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.coder import Coder
from nanoscope.dictionaries.measure import model_of
from nanoscope.dictionaries.store import load
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.names import head_name
from nanoscope.progress import Progress, silent
from nanoscope.text.windows import room, started
from nanoscope.views.why import reason, why

SHOWN, EDGES, EFFECTS, EXPLAINED = 40, 50, 20, 3
"""Nodes that are shown; edges and whole effects that are verified; heads whose attention is explained."""


@dataclass(frozen=True)
class NamedNode:
    """A shown node: its name, such as `L2F417@5`, and the share of what reaches the logits that passes through it."""

    name: str
    kind: str
    layer: int
    pos: int
    index: int
    value: float
    influence: float
    role: str


@dataclass(frozen=True)
class NamedEdge:
    """A shown contribution, from the node `source` to the node `target`, by their numbers among the shown ones."""

    source: int
    target: int
    weight: float
    share: float


@dataclass(frozen=True)
class TextGraph:
    """The graph of one prediction."""

    symbols: tuple[str, ...]
    answers: tuple[tuple[str, float], ...]
    """The logits' symbols with their probabilities."""
    nodes: tuple[NamedNode, ...] = field(repr=False)
    edges: tuple[NamedEdge, ...] = field(repr=False)
    scores: Scores
    groups: Mapping[str, float]
    """By role: the share of the influence on the logits of all nodes, shown or not, direct and indirect."""
    checked: Agreement
    """Of the strongest edges with interventions that hold what the edge holds."""
    effects: Agreement
    """Of the strongest features' whole effects with interventions that hold nothing."""
    reasons: tuple[str, ...]
    """Why the strongest heads look where they look."""

    def plain(self) -> dict[str, Any]:
        """As values for JSON."""
        return {**asdict(self), "scores": self.scores._asdict()}


@dataclass(frozen=True)
class _Built:
    """Both graphs of a text, and what is kept of the one with heads."""

    heads: AttributionGraph
    routed: AttributionGraph

    @cached_property
    def reached(self) -> Float[Tensor, "node"]:
        return influence(shares(self.heads.A), self.heads.weights) + self.heads.weights

    @cached_property
    def kept(self) -> Kept:
        nodes = self.heads.nodes
        return strongest(self.heads.A, self.heads.weights, nodes.of(LOGIT), nodes.of(FEATURE, HEAD), SHOWN)


def transcoders(checkpoint: Checkpoint, folder: Path) -> dict[int, Coder]:
    """The transcoders of every MLP, in `folder/mlp.0`, ... or `folder/dictionary-mlp.0-1`, ...

    NanoscopeError, with the command that trains them, if one is missing or of another model.
    """
    layers = range(0 if checkpoint.model.config.attention_only else checkpoint.model.config.n_layer)
    found = {}
    for layer in layers:
        paths = [path for path in (folder / f"mlp.{layer}", folder / f"dictionary-mlp.{layer}-1") if path.is_dir()]
        if not paths:
            raise NanoscopeError(
                f"there is no transcoder of MLP {layer} in {folder}; train all with: nanoscope dictionary train CKPT "
                f"--site mlp, or name their folder with --transcoders"
            )
        dictionary = load(paths[0])
        if model_of(dictionary, checkpoint) is not checkpoint.model or not dictionary.source.transcoder:
            raise NanoscopeError(f"{paths[0]} is no transcoder of this model's MLP {layer}; train it with --site mlp")
        found[layer] = dictionary.coder
    return found


def graph_of_text(
    checkpoint: Checkpoint, coders: Mapping[int, Coder], text: str, progress: Progress = silent
) -> TextGraph:
    """The graph of the token that follows a text. NanoscopeError for a text that does not fit, and models without a graph."""
    graph_of(checkpoint.model.config)
    progress("contributions", 0, 4)
    local = local_model(checkpoint.model, coders, _tokens(checkpoint, text))
    built = _Built(with_heads(local), through_attention(local))
    progress("checking edges in the model", 1, 4)
    checked = agreement(verified(built.routed, EDGES))
    progress("checking whole effects in the model", 2, 4)
    effects = agreement(predicted_effects(built.routed, EFFECTS))
    progress("why heads look where they look", 3, 4)
    names = checkpoint.known_vocabulary.names(checkpoint.model.config.vocab_size)
    return _named(built, names, checked, effects, _reasons(checkpoint, built, text))


def _tokens(checkpoint: Checkpoint, text: str) -> Tensor:
    start, tokens = checkpoint.known_vocabulary.start, checkpoint.encode(text)
    most = room(checkpoint.model.config.block_size, start)
    if not 0 < len(tokens) <= most:
        raise NanoscopeError(f"the text has {len(tokens)} tokens; give 1 to {most}, the length of the model's context")
    return started(tokens, start)


def _named(
    built: _Built, names: Sequence[str], checked: Agreement, effects: Agreement, reasons: tuple[str, ...]
) -> TextGraph:
    """The graph with names instead of numbers, and only what is kept."""
    graph, role = built.heads, roles(built.heads)
    shown = _shown(built)
    number = {int(node): at for at, node in enumerate(shown)}
    flow = shares(graph.A) * built.reached[:, None]
    edges = tuple(
        NamedEdge(number[source], number[target], float(graph.A[target, source]), float(flow[target, source]))
        for target, source in built.kept.edges.nonzero().tolist()
    )
    logits = graph.nodes.of(LOGIT)
    answers = zip(graph.nodes.index[logits].tolist(), graph.weights[logits].tolist(), strict=True)
    routed = built.routed
    tokens, errors = (routed.nodes.of(kind) for kind in (TOKEN, ERROR))
    return TextGraph(
        tuple(names[token] for token in graph.local.tokens.tolist()),
        tuple((names[symbol], p) for symbol, p in answers),
        tuple(_node(built, int(node), names, role) for node in shown),
        edges,
        scores(routed.A, routed.weights, tokens, errors),
        _groups(built, role),
        checked,
        effects,
        reasons,
    )


def _shown(built: _Built) -> list[int]:
    """The kept nodes that an edge touches, and the logits."""
    edges: Bool[Tensor, "target source"] = built.kept.edges
    touched = edges.any(0) | edges.any(1) | built.heads.nodes.of(LOGIT)
    return touched.nonzero().flatten().tolist()


def _node(built: _Built, node: int, names: Sequence[str], role: Sequence[str]) -> NamedNode:
    nodes = built.heads.nodes
    kind, layer, pos, index = (int(x[node]) for x in (nodes.kind, nodes.layer, nodes.pos, nodes.index))
    name = _name(kind, layer, pos, index, names)
    return NamedNode(
        name, KINDS[kind], layer, pos, index, float(nodes.value[node]), float(built.reached[node]), role[node]
    )


def _name(kind: int, layer: int, pos: int, index: int, names: Sequence[str]) -> str:
    """`L2F417@5`, `error2@5`, `L1H3@7`, `'R'@0`; a logit is its symbol."""
    if kind == FEATURE:
        return f"L{layer}F{index}@{pos}"
    if kind == ERROR:
        return f"error{layer}@{pos}"
    if kind == HEAD:
        return f"{head_name(layer, index)}@{pos}"
    return names[index] if kind == LOGIT else f"{names[index]!r}@{pos}"


def _groups(built: _Built, role: Sequence[str]) -> dict[str, float]:
    """The share of all influence that passes through the nodes of each role, without the logits."""
    found: dict[str, float] = {}
    inner = ~built.heads.nodes.of(LOGIT)
    total = float(built.reached[inner].sum())
    for node in inner.nonzero().flatten().tolist():
        found[role[node]] = found.get(role[node], 0.0) + float(built.reached[node]) / total
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _reasons(checkpoint: Checkpoint, built: _Built, text: str) -> tuple[str, ...]:
    """Exact QK attribution of the heads with most influence, where they see more than themselves."""
    nodes = built.heads.nodes
    heads = (nodes.of(HEAD) & (nodes.pos > 0)).nonzero().flatten()
    best = heads[built.reached[heads].argsort(descending=True)][:EXPLAINED].tolist()
    return tuple(
        reason(why(checkpoint, text, head_name(int(nodes.layer[n]), int(nodes.index[n])), int(nodes.pos[n])))
        for n in best
    )
