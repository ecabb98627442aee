"""Causal scrubbing of the induction hypothesis, with the model's own best heads in the two roles.

Beside it stand the hypothesis that everything matters, the one that nothing does, and a wrong one: that keys are made from the
token two places back instead of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.attention import repeated_sequences as attention
from nanoscope.analysis.circuits.scrubbing import Matters, induction, itself, scrub, token_back
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.setting import Setting
from nanoscope.experiments.measuring import Sweeps
from nanoscope.interventions.edges.graph import LOGITS, graph_of
from nanoscope.model.names import named
from nanoscope.tasks import synthetic

ROLE = 0.3
"""A head has a role if it attends to what the role asks for by so much above uniform attention."""
SPARE = 7
"""So few more symbols than a block has: enough texts must agree on a symbol for writes to be exchanged."""
TEXTS = 96


def scrubbed(s: Setting) -> Sweeps:
    """How much of the model's advantage over random texts each hypothesis keeps, in every draw.

    Nothing if the model has no heads in the two roles."""
    previous, heads = roles(s)
    if not previous or not heads:
        return {}
    length = s.induction_length
    symbols = s.symbols[: length + SPARE]
    task = synthetic.copy_task(symbols, length, TEXTS, "scrubbing", s.params.seed, prefix=0, start=s.start)
    true = induction(previous, heads)
    everything = tuple(Matters(f"{name}->{LOGITS}", itself) for name in graph_of(s.model.config).sources)
    hypotheses = {"everything": everything, "induction": true, "wrong": _two_back(true), "nothing": ()}
    draws = s.params.scrubbing_draws
    found = {name: scrub(s.model, task, one, draws=draws, seed=s.params.seed) for name, one in hypotheses.items()}
    shares = [
        (one.random.mean() - one.losses.mean(1)) / (one.random.mean() - one.model.mean()) for one in found.values()
    ]
    exchanged = found["induction"].exchanged
    return {
        "scrubbed": Sweep(np.array(shares), ("hypothesis", "draw"), "share", {"hypothesis": tuple(found)}),
        "exchanged": Sweep(
            np.array([share for _, share in exchanged]), ("edge",), "share", {"edge": tuple(str(edge) for edge, _ in exchanged)}
        ),
    }  # fmt: skip


def roles(s: Setting) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The previous-token heads that an induction head can read, and the induction heads above one of them."""
    sequences = synthetic.repeated_sequences(
        s.symbols, s.induction_length, s.model.config.block_size, s.params.examples, s.start, "roles", s.params.seed
    )
    scores = attention.above_uniform(
        attention.attention_scores(s.model, sequences), attention.uniform_scores(sequences)
    ).mean("example")
    before, follow = (_above(scores.sel(score=name).values) for name in ("previous", "induction"))
    heads = [head for head in follow if any(layer < head[0] for layer, _ in before)]
    lowest = min((layer for layer, _ in heads), default=0)
    return named([head for head in before if head[0] < lowest]), named(heads)


def _above(scores: Float[np.ndarray, "layer head"]) -> list[tuple[int, int]]:
    return [(int(layer), int(head)) for layer, head in np.argwhere(scores >= ROLE)]


def _two_back(hypothesis: Sequence[Matters]) -> tuple[Matters, ...]:
    """The hypothesis with keys made from the token two places back."""
    return tuple(
        replace(one, inputs=_two_back(one.inputs), agree=token_back(2) if one.edge.endswith(".k") else one.agree)
        for one in hypothesis
    )
