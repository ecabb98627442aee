"""How a head and a neuron are written, everywhere."""

from __future__ import annotations

from collections.abc import Iterable


def head_name(layer: int, head: int) -> str:
    """`L1H0`: how a head is written everywhere."""
    return f"L{layer}H{head}"


def named(heads: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """The names of several heads."""
    return tuple(head_name(*one) for one in heads)


def neuron_name(layer: int, neuron: int) -> str:
    """`L1N20`: how a neuron is written everywhere."""
    return f"L{layer}N{neuron}"


def head_names(heads: Iterable[tuple[int, int]]) -> str:
    """Several heads, for a sentence."""
    return ", ".join(named(heads))
