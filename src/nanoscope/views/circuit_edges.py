"""The edges of a circuit for a table, and all edges of the model for a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nanoscope.interventions.edges.graph import Edge
from nanoscope.views.circuit import FoundCircuit
from nanoscope.views.csv_rows import csv_of

COLUMNS = ("source", "read", "effect", "share", "estimate", "in_circuit", "connected")


@dataclass(frozen=True)
class EdgeRow:
    """One edge: its measured effect in logits and as a share of the whole change, and what was estimated."""

    edge: Edge
    effect: float
    share: float
    estimate: float | None
    connected: bool
    """Does something in the circuit feed its source, and read its reader?"""


def strongest(found: FoundCircuit, most: int) -> tuple[EdgeRow, ...]:
    """The edges of the circuit with the largest measured effects."""
    return tuple(
        EdgeRow(edge, found.effects[edge], found.effects[edge] / found.change, _estimate(found, edge), alive)
        for edge in found.strongest[:most]
        for alive in [edge in found.circuit.connected]
    )


def rows(found: FoundCircuit) -> Iterator[dict[str, Any]]:
    """Every edge of the model in order; None for an effect that was not measured and an estimate that was not made."""
    for edge in found.circuit.graph.edges:
        effect = found.effects.get(edge)
        if effect is None and found.is_exact and found.scores is not None:
            effect = float(found.scores.of(edge).mean())
        share = None if effect is None else effect / found.change
        inside = edge in found.circuit, edge in found.circuit.connected
        values = (edge.source, edge.read, effect, share, _estimate(found, edge), *inside)
        yield dict(zip(COLUMNS, values, strict=True))


def as_csv(found: FoundCircuit) -> str:
    """All edges as CSV, one row each."""
    return csv_of(rows(found))


def as_json(found: FoundCircuit) -> dict[str, Any]:
    """All edges with how the circuit was found, as plain values."""
    sizes = zip(found.sizes.edges, found.sizes.connected, found.sizes.share, strict=True)
    return {
        "method": found.method,
        "ablation": found.sizes.ablation,
        "clean_logit_difference": found.clean,
        "corrupt_logit_difference": found.corrupt,
        "edges_asked": len(found.circuit),
        "edges_connected": len(found.circuit.connected),
        "edges_of_the_model": len(found.circuit.graph),
        "faithfulness": found.faithful,
        "sizes": [{"edges": int(n), "connected": int(left), "faithfulness": float(f)} for n, left, f in sizes],
        "seconds": found.seconds,
        "seconds_of_a_forward": found.forward,
        "edges": list(rows(found)),
    }


def _estimate(found: FoundCircuit, edge: Edge) -> float | None:
    return None if found.scores is None or found.is_exact else float(found.scores.of(edge).mean())
