"""The list of all comparisons and promises (design.md 8).

A comparison runs ours and a peer alternately on one case and takes one or more readings from each pair of runs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "workers"))
from protocol import Case, Shape

CANONICAL = Shape(n_layer=6, n_head=6, n_embd=384, block_size=128, vocab_size=65, bias=False)
GPT2_SMALL = Shape(n_layer=12, n_head=12, n_embd=768, block_size=64, vocab_size=50257, bias=True)
LIBRARIES = ("transformerlens4", "transformerlens3", "nnsight_worker", "plain")
SAMPLED = 30.0
"""A longer pass (seconds) of a peer without promise is sampled at evenly spaced cells."""


@dataclass(frozen=True)
class Reading:
    """One number from each pair of runs; its median must be at least (with `at_most`: at most) `promise`."""

    what: str
    """One of `readings.READINGS`."""
    promise: float | None = None
    at_most: bool = False


@dataclass(frozen=True)
class Comparison:
    """Ours against a peer on a case. A longer pass of the peer than `seconds` is sampled."""

    case: Case
    peer: str
    readings: tuple[Reading, ...]
    seconds: float | None = None
    repeats: int | None = None
    """Pairs of runs; None for the command line's number."""

    @property
    def name(self) -> str:
        return f"{self.case.name} / {self.peer}"


RESID = Case("layer x position", CANONICAL, "resid", batch=8, length=128)
MIDDLE = Case("layer x position, mid-context", CANONICAL, "resid", batch=8, length=128, first_difference=64)
SHORT = Case("heads x position, short prompts", CANONICAL, "head_pos", batch=4, length=16)
HEADS = Case("heads", CANONICAL, "head", batch=8, length=128)
GPT2_RESID = Case("GPT-2 small's shape, layer x position", GPT2_SMALL, "resid", batch=1, length=64)
GPT2_HEADS = Case(
    "GPT-2 small's shape, heads x position", GPT2_SMALL, "head_pos", batch=1, length=64, budget=2_000_000_000
)
FORWARD = Case("forward with a full cache", CANONICAL, "forward", batch=8, length=128)
FUSED = Case("forward with a cache, no scores or patterns", CANONICAL, "forward_fused", batch=8, length=128)
STEP = Case("training step, bfloat16, dropout", CANONICAL, "step", 64, 128, precision="bfloat16", dropout=0.2)
STEP_PLAIN = replace(STEP, name="training step, bfloat16", dropout=0.0)
STEP_FULL = replace(STEP, name="training step, float32, dropout", precision="float32")
STEP_FULL_PLAIN = replace(STEP_FULL, name="training step, float32", dropout=0.0)
STEPS = (STEP, STEP_PLAIN, STEP_FULL, STEP_FULL_PLAIN)
PRECISIONS = ("float32", "tf32", "bfloat16")


def sweep(case: Case, promises: dict[str, float], extra: tuple[Reading, ...] = ()) -> list[Comparison]:
    """A sweep against every library; a peer with a promise runs every cell."""
    return [
        Comparison(case, peer, (Reading("speedup", promises.get(peer)), *extra), None if peer in promises else SAMPLED)
        for peer in LIBRARIES
    ]


def cuda() -> list[Comparison]:
    """Two sweeps on a GPU in each precision, against the plain loop in the same precision."""
    return [
        Comparison(
            replace(case, name=f"{case.name}, cuda, {precision}", device="cuda", precision=precision),
            "plain",
            (Reading("speedup"),),
            SAMPLED,
        )
        for case in (RESID, SHORT)
        for precision in PRECISIONS
    ]


COMPARISONS: tuple[Comparison, ...] = (
    *sweep(RESID, {"transformerlens4": 7, "transformerlens3": 6}),
    *sweep(MIDDLE, {"transformerlens4": 20}, extra=(Reading("speedup_where_it_matters"),)),
    *sweep(SHORT, {"transformerlens4": 25}),
    *sweep(HEADS, {"transformerlens4": 5}),
    *(Comparison(GPT2_RESID, peer, (Reading("speedup"),), 45.0) for peer in LIBRARIES),
    Comparison(GPT2_HEADS, "plain", (Reading("memory", 1.0, at_most=True), Reading("speedup")), 20.0, repeats=1),
    *(Comparison(case, "matmul", (Reading("matmul_share", 0.75),)) for case in (RESID, HEADS)),
    Comparison(FORWARD, "plain", (Reading("slowdown", 1.15, at_most=True),), repeats=9),
    Comparison(FUSED, "plain", (Reading("slowdown"),), repeats=9),
    *(Comparison(case, "nanogpt_step", (Reading("step", 1.0, at_most=True),)) for case in STEPS),
    Comparison(STEP_FULL, "undropped", (Reading("step", 1.3, at_most=True),)),
    Comparison(STEP, "undropped", (Reading("step"),)),
    *(Comparison(case, "given_back", (Reading("step"),)) for case in (STEP, STEP_FULL)),
    *(Comparison(case, "matmul", (Reading("training_share", 0.6),)) for case in (STEP, STEP_FULL)),
    *cuda(),
)
