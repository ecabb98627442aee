"""What every attention head does, and where each one looks in a text of the user's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import run
from nanoscope.model.names import head_name


@dataclass(frozen=True)
class HeadSummary:
    """One head. Shares are of its attention, above chance, on text that the class was not chosen on."""

    name: str
    attends_to: str
    """Its class; where it has none, the class that scores highest."""
    has_class: bool
    share: float
    p: float
    """Over all heads and classes."""
    second: str
    """The class that scores next."""
    second_share: float
    writes: tuple[str, str, float] | None
    """Which symbol, attended to, raises which one most through the head's own weights, and by how many logits."""

    @property
    def attention_class(self) -> str | None:
        """Its class, if it has one."""
        return self.attends_to if self.has_class else None


def attention(checkpoint: Checkpoint, text: str) -> Sweep:
    """Every head's attention on a text: `[layer, head, query, key]`."""
    tokens = checkpoint.encode(text)
    if len(tokens) < 2:
        raise NanoscopeError("the text needs two characters or more, or there is nothing to attend to")
    values = run(checkpoint.model, tokens[None], keep=["pattern"]).cache.layers("pattern")[:, 0].numpy()
    return Sweep(values, ("layer", "head", "query", "key"), "attention", {"query": tuple(text), "key": tuple(text)})


def summaries(result: Result) -> tuple[HeadSummary, ...]:
    """The heads of a stored result of the experiment `heads`, layer by layer."""
    return tuple(_summary(result, *at) for at in product(*map(range, result["label"].values.shape)))


def _summary(result: Result, layer: int, head: int) -> HeadSummary:
    classes, symbols = result["scores_report"].labels("cls"), result["symbols"].labels("symbol")
    shares, label = result["scores_report"].values[:, layer, head], int(result["label"].values[layer, head])
    order = [int(place) for place in (-shares).argsort(kind="stable")]
    own = order[0] if label < 0 else label
    second = next(place for place in order if place != own)
    attended, raised, by = result["ov_strongest"].values[layer, head, 0]
    return HeadSummary(
        head_name(layer, head),
        str(classes[own]),
        label >= 0,
        float(shares[own]),
        float(result["p"].values[own, layer, head]),
        str(classes[second]),
        float(shares[second]),
        None if math.isnan(by) else (str(symbols[int(attended)]), str(symbols[int(raised)]), float(by)),
    )
