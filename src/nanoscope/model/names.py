"""Names of heads and neurons in all output."""

from __future__ import annotations

from collections.abc import Iterable


def head_name(layer: int, head: int) -> str:
    """Name of a head, such as `L1H0`."""
    return f"L{layer}H{head}"


def named(heads: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """The names of several heads."""
    return tuple(head_name(*head) for head in heads)


def neuron_name(layer: int, neuron: int) -> str:
    """Name of a neuron, such as `L1N20`."""
    return f"L{layer}N{neuron}"


def head_names(heads: Iterable[tuple[int, int]]) -> str:
    """The names of several heads, joined by commas."""
    return ", ".join(named(heads))
