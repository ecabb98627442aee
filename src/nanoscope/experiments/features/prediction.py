"""Features, one graph: how the next character of a held-out text is made, with its checks in the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nanoscope.analysis.features.graph import KINDS
from nanoscope.analysis.features.local_model import local_model
from nanoscope.analysis.features.summary import BothGraphs, Summary, summary
from nanoscope.analysis.features.verify import STEPS, Verified, predicted_effects, verified
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.dictionary_fits import restored
from nanoscope.experiments.features.setting import Setting, transcoded, transcoder
from nanoscope.experiments.measuring import Sweeps

NODE_PARTS = ("kind", "layer", "pos", "index", "value", "influence")
EDGE_PARTS = ("source", "target", "weight", "share")
CHECKED = ("predicted", "measured")
EFFECTS = 20
"""Features whose whole effect is checked."""


def graph_of_prediction(s: Setting, before: Sweeps) -> Sweeps:
    """The graph of what follows the first characters of the held-out text; nothing where there are no transcoders."""
    layers = transcoded(s)
    if not layers:
        return {}
    coders = {layer: restored(before, transcoder(layer), s.params.k) for layer in layers}
    tokens = s.texts.report.windows.tokens[0, : min(s.params.prompt, s.model.config.block_size)]
    built = BothGraphs.of(local_model(s.model, coders, tokens))
    shown = summary(built, s.subject.tokenizer.names(s.model.config.vocab_size))
    edges, effects = verified(built.routed, s.params.edges), predicted_effects(built.routed, EFFECTS)
    return {**drawn(shown), **_described(shown), "edges": _pairs(edges, "edge"), "effects": _steps(effects)}


def drawn(shown: Summary) -> Sweeps:
    """What the picture is drawn from."""
    nodes = [[KINDS.index(n.kind), n.layer, n.pos, n.index, n.value, n.influence] for n in shown.nodes]
    edges = [[e.source, e.target, e.weight, e.share] for e in shown.edges]
    return {
        "graph_nodes": _table(nodes, "node", NODE_PARTS, [node.name for node in shown.nodes]),
        "graph_edges": _table(edges, "edge", EDGE_PARTS),
        "graph_symbols": Sweep(np.arange(len(shown.symbols)), ("pos",), "position", {"pos": shown.symbols}),
    }


def _table(rows: Sequence[Sequence[float]], axis: str, parts: tuple[str, ...], names: Sequence[str] = ()) -> Sweep:
    values = np.array(rows, dtype=np.float64).reshape(-1, len(parts))
    return Sweep(values, (axis, "part"), "", {"part": parts, **({axis: tuple(names)} if names else {})})


def _described(shown: Summary) -> Sweeps:
    """What is predicted, the graph's scores, and what each role carries."""
    symbols, p = zip(*shown.answers, strict=True)
    return {
        "graph_answers": Sweep(np.array(p), ("symbol",), "probability", {"symbol": symbols}),
        "graph_scores": Sweep(np.array(shown.scores), ("score",), "share", {"score": shown.scores._fields}),
        "graph_roles": Sweep(np.array(list(shown.groups.values())), ("role",), "share", {"role": tuple(shown.groups)}),
    }


def _steps(found: Mapping[str, Verified]) -> Sweep:
    """Whole effects: as predicted, and as measured while what the graph holds is set free step by step."""
    predicted = next(iter(found.values())).predicted
    values = np.stack([predicted.numpy(), *(found[step].measured.numpy() for step in STEPS)])
    return Sweep(values, ("which", "feature"), "contribution", {"which": (CHECKED[0], *STEPS)})


def _pairs(found: Verified, axis: str) -> Sweep:
    values = np.stack([found.predicted.numpy(), found.measured.numpy()])
    return Sweep(values, ("which", axis), "contribution", {"which": CHECKED})
