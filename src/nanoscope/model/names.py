"""Names of heads and neurons in all output, and back: what a user's `L0H4` refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.sites import Site

COMPONENT = re.compile(r"L(?P<layer>\d+)(H(?P<head>\d+)|N(?P<neuron>\d+)|\.(?P<part>attn|mlp))", re.IGNORECASE)


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


def component(name: str) -> Site:
    """The output of a head (`L0H4`), a neuron (`L2N17`), or a layer's attention or MLP (`L1.attn`, `L1.mlp`).

    Raises NanoscopeError for any other name. Whether a model has the component is checked when it runs.
    """
    found = COMPONENT.fullmatch(name.strip())
    if found is None:
        raise NanoscopeError(f"{name!r} names no component; write a head as L0H4, a neuron as L2N17, L1.attn or L1.mlp")
    layer = int(found["layer"])
    if found["head"]:
        return Site("z", layer, head=int(found["head"]))
    return (
        Site("post", layer, neuron=int(found["neuron"]))
        if found["neuron"]
        else Site(f"{found['part'].lower()}_out", layer)
    )


def variations(config: GPTConfig) -> tuple[str, ...]:
    """How a model differs from nanoGPT's architecture, in words; nothing for what nanoGPT can express."""
    words = {
        "no MLPs": config.attention_only,
        f"gated MLPs ({config.activation})": config.gated_mlp,
        config.activation: not config.gated_mlp
        and not config.attention_only
        and not config.activation.startswith("gelu"),
        "RMS norm": config.norm == "rms",
        "no norms": config.norm == "none",
        "norms after additions": config.norm_position == "post" and config.norm != "none",
        "no final norm": not config.final_norm and config.norm != "none",
        "attention and MLP in parallel": config.parallel,
        f"{config.positions} positions": config.positions != "learned",
        f"{config.n_kv} key-value heads": config.n_kv != config.n_head,
    }
    return tuple(what for what, holds in words.items() if holds)
