"""The attribution graph of the next token of a user's text: its nodes and edges by name, its scores, and how far it is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from nanoscope.analysis.features.local_model import local_model
from nanoscope.analysis.features.summary import BothGraphs, Summary, summary
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

EDGES, EFFECTS, EXPLAINED = 50, 20, 3
"""Edges and whole effects that are checked in the model; heads whose attention is explained."""


@dataclass(frozen=True)
class TextGraph:
    """The graph of one prediction, checked."""

    summary: Summary
    edges: Agreement
    """Of the strongest edges with interventions that hold what the edge holds."""
    effects: Mapping[str, Agreement]
    """Of the strongest features' whole effects, while what the graph holds is set free step by step."""
    reasons: tuple[str, ...]
    """Why the strongest heads look where they look."""

    def plain(self) -> dict[str, Any]:
        """As values for JSON."""
        found = asdict(self)
        return {**found, "summary": {**found["summary"], "scores": self.summary.scores._asdict()}}


def transcoders(checkpoint: Checkpoint, folder: Path) -> dict[int, Coder]:
    """The transcoders of every MLP, in `folder/mlp.0`, ... or `folder/dictionary-mlp.0-1`, ...

    NanoscopeError, with the command that trains them, if one is missing or of another model.
    """
    layers = range(0 if checkpoint.model.config.attention_only else checkpoint.model.config.n_layer)
    return {layer: _transcoder(checkpoint, folder, layer) for layer in layers}


def _transcoder(checkpoint: Checkpoint, folder: Path, layer: int) -> Coder:
    paths = [path for path in (folder / f"mlp.{layer}", folder / f"dictionary-mlp.{layer}-1") if path.is_dir()]
    if not paths:
        raise NanoscopeError(
            f"there is no transcoder of MLP {layer} in {folder}; train all with nanoscope dictionary train CKPT --site mlp, "
            "or name their folder with --transcoders"
        )
    dictionary = load(paths[0])
    if model_of(dictionary, checkpoint) is not checkpoint.model or str(dictionary.source) != f"mlp.{layer}":
        raise NanoscopeError(f"{paths[0]} is no transcoder of this model's MLP {layer}; train it with --site mlp")
    return dictionary.coder


def graph_of_text(
    checkpoint: Checkpoint, coders: Mapping[int, Coder], text: str, progress: Progress = silent
) -> TextGraph:
    """The graph of the token that follows a text. NanoscopeError for a text that does not fit, and models without a graph."""
    graph_of(checkpoint.model.config)
    progress("contributions", 0, 4)
    built = BothGraphs.of(local_model(checkpoint.model, coders, _tokens(checkpoint, text)))
    progress("checking edges in the model", 1, 4)
    edges = agreement(verified(built.routed, EDGES))
    progress("checking whole effects in the model", 2, 4)
    effects = {step: agreement(found) for step, found in predicted_effects(built.routed, EFFECTS).items()}
    progress("why heads look where they look", 3, 4)
    names = checkpoint.known_vocabulary.names(checkpoint.model.config.vocab_size)
    return TextGraph(summary(built, names), edges, effects, _reasons(checkpoint, built, text))


def _tokens(checkpoint: Checkpoint, text: str) -> Int[Tensor, "pos"]:
    start, tokens = checkpoint.known_vocabulary.start, checkpoint.encode(text)
    most = room(checkpoint.model.config.block_size, start)
    if not 0 < len(tokens) <= most:
        raise NanoscopeError(f"the text has {len(tokens)} tokens; give 1 to {most}, the length of the model's context")
    return started(tokens, start)


def _reasons(checkpoint: Checkpoint, built: BothGraphs, text: str) -> tuple[str, ...]:
    """Exact QK attribution of the heads with most influence."""
    heads = built.strongest_heads(EXPLAINED)
    return tuple(reason(why(checkpoint, text, head_name(layer, head), pos)) for layer, head, pos in heads)
