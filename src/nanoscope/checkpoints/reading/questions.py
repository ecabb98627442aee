"""What neither the weights nor the file say, and the answers that are possible, the usual one first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nanoscope.checkpoints.reading.assembly import query_rows
from nanoscope.checkpoints.reading.parts import Parts
from nanoscope.checkpoints.reading.readings import Reading
from nanoscope.errors import NanoscopeError

Questions = Mapping[str, tuple[Any, ...]]

MOST_HEADS = 32


def questions(
    parts: Parts, known: Mapping[str, Reading], answers: Mapping[str, tuple[Any, ...]]
) -> dict[str, tuple[Any, ...]]:
    """Field -> possible values, for every field that changes what the model computes and that is not `known`.

    `answers` has the possible values that a format has instead of the general ones.
    """
    normed = parts.has("norm_1.weight") or parts.has("norm_2.weight")
    heads = _divisors(query_rows(parts), parts.width)
    rotates = "positions" not in known or known["positions"].value == "rotary"
    asked: dict[str, tuple[Any, ...]] = {
        "activation": () if not parts.has("fc.weight") else _activations("up.weight" in parts.layers[0]),
        "n_head": tuple(heads),
        "attention_scale": ("d_head", "d_model", "none"),
        "norm": ("layer", "rms") if normed else ("none", "layer", "rms"),
        "norm_position": ("pre", "post") if normed else ("pre",),
        "final_norm": (True, False),
        "embedding_scale": ("none", "sqrt_d_model"),
        "positions": ("none", "sinusoid", "rotary"),
        "rotary_pairs": ("halves", "neighbours") if rotates else ("halves",),
        "fused_order": ("parts", "heads") if parts.has("qkv.weight") else ("parts",),
        "embedding_norm": ("none",),
    }
    possible = {**asked, **{name: values for name, values in answers.items() if asked[name]}}
    return {name: values for name, values in possible.items() if values and name not in known}


def settled(open_questions: Questions) -> dict[str, Reading]:
    """The questions that have one answer."""
    return {name: Reading(name, one[0], "assumed") for name, one in open_questions.items() if len(one) == 1}


def unanswered(open_questions: Questions, where: str) -> NanoscopeError:
    """What to do where something is not said, and there is no text to try it on."""
    said = ", ".join(f"{name} ({' or '.join(map(str, values))})" for name, values in open_questions.items())
    one = next(iter(open_questions))
    return NanoscopeError(
        f"{where} does not say everything that the model computes: {said}; say it, as in --set {one}={open_questions[one][0]}, "
        f"or let a text of its training decide; try: nanoscope convert {where} --data your.txt"
    )


def _activations(gated: bool) -> tuple[str, ...]:
    """The exact and the tanh GELU differ by less than any text tells, so only one is tried."""
    return ("silu", "gelu", "relu") if gated else ("gelu", "relu", "silu", "relu2")


def _divisors(rows: int, width: int) -> list[int]:
    return [n for n in range(1, min(rows, MOST_HEADS) + 1) if rows % n == 0 and width % n == 0 and rows // n > 1]
