"""Causal scrubbing of the induction hypothesis, with the model's own best heads in the two roles.

    textbook   the heads' queries and values read the embedding of the token, their keys what previous-token heads have written
    refined    queries and values may read what any lower part writes about the token, keys what it writes about the token and
               the one before; the logits may also read what any other part writes about the current token
    wrong      textbook, but keys are made from the token two places back

Beside them stand the hypotheses that everything matters and that nothing does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.attention import repeated_sequences as attention
from nanoscope.analysis.circuits.scrubbing import Matters, continuation, induction, itself, scrub, token_back
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.setting import Setting
from nanoscope.experiments.measuring import Sweeps
from nanoscope.interventions.edges.graph import LOGITS, Graph, graph_of
from nanoscope.model.names import named
from nanoscope.tasks import synthetic

ROLE = 0.3
"""A head has a role if it attends to what the role asks for by so much above uniform attention."""
SPARE = 7
"""So few more symbols than a block has: enough texts must agree on a symbol for writes to be exchanged."""
TEXTS = 64


def scrubbed(s: Setting) -> Sweeps:
    """The heads' scores by role, and how much of the model's advantage over random texts each hypothesis keeps, in every draw.

    Without heads in both roles there is no hypothesis to test."""
    scores = head_scores(s)
    previous, heads = roles(scores)
    if not previous or not heads:
        return {"head_scores": scores}
    length = s.induction_length
    symbols = s.symbols[: length + SPARE]
    task = synthetic.copy_task(symbols, length, TEXTS, "scrubbing", s.params.seed, prefix=0, start=s.start)
    true = induction(previous, heads)
    everything = tuple(Matters(f"{name}->{LOGITS}", itself) for name in graph_of(s.model.config).sources)
    hypotheses = {
        "everything": everything,
        "textbook": true,
        "refined": _refined(graph_of(s.model.config), heads),
        "wrong": _two_back(true),
        "nothing": (),
    }
    draws = s.params.scrubbing_draws
    found = {name: scrub(s.model, task, one, draws=draws, seed=s.params.seed) for name, one in hypotheses.items()}
    shares = [one.shares for one in found.values()]
    exchanged = found["textbook"].exchanged
    return {
        "head_scores": scores,
        "scrubbed": Sweep(np.array(shares), ("hypothesis", "draw"), "share", {"hypothesis": tuple(found)}),
        "exchanged": Sweep(
            np.array([share for _, share in exchanged]), ("edge",), "share", {"edge": tuple(str(edge) for edge, _ in exchanged)}
        ),
    }  # fmt: skip


def head_scores(s: Setting) -> Sweep:
    """Every head's attention on repeated sequences above uniform, by role: `[score, layer, head]`."""
    sequences = synthetic.repeated_sequences(
        s.symbols, s.induction_length, s.model.config.block_size, s.params.examples, s.start, "roles", s.params.seed
    )
    return attention.above_uniform(
        attention.attention_scores(s.model, sequences), attention.uniform_scores(sequences)
    ).mean("example")


def roles(scores: Sweep) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The previous-token heads that an induction head can read, and the induction heads above one of them."""
    before, follow = (_above(scores.sel(score=name).values) for name in ("previous", "induction"))
    heads = [head for head in follow if any(layer < head[0] for layer, _ in before)]
    lowest = min((layer for layer, _ in heads), default=0)
    return named([head for head in before if head[0] < lowest]), named(heads)


def _above(scores: Float[np.ndarray, "layer head"]) -> list[tuple[int, int]]:
    return [(int(layer), int(head)) for layer, head in np.argwhere(scores >= ROLE)]


def _refined(graph: Graph, heads: Sequence[str]) -> tuple[Matters, ...]:
    """Any lower part may tell a head about the token at its place, and its keys about the one before, too."""
    here = token_back(0)
    agree = {"q": here, "k": _and_before, "v": here}

    def inputs(head: str) -> tuple[Matters, ...]:
        lower = [edge for edge in graph.edges if edge.read.startswith(f"{head}.")]
        return tuple(Matters(str(edge), agree[edge.read[-1]]) for edge in lower)

    rest = (Matters(f"{name}->{LOGITS}", here) for name in graph.sources if name not in heads)
    return (*(Matters(f"{head}->{LOGITS}", continuation, inputs(head)) for head in heads), *rest)


def _and_before(tokens: Int[Tensor, "example pos"]) -> Int[Tensor, "example pos"]:
    """Texts agree on the token and the one before it."""
    return token_back(0)(tokens) * (int(tokens.max()) + 2) + token_back(1)(tokens)


def _two_back(hypothesis: Sequence[Matters]) -> tuple[Matters, ...]:
    """The hypothesis with keys made from the token two places back."""
    return tuple(
        replace(one, inputs=_two_back(one.inputs), agree=token_back(2) if one.edge.endswith(".k") else one.agree)
        for one in hypothesis
    )
