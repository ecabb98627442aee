"""The class of every attention head, and attention patterns on a text of the user's own."""

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
    """One head. Shares are shares of attention above chance, on text not used to choose the class."""

    name: str
    attends_to: str
    """Its class, or the highest-scoring class if it has none."""
    has_class: bool
    share: float
    p: float
    """Corrected for all heads and classes."""
    second: str
    """The class with the next highest score."""
    second_share: float
    writes: tuple[str, str, float] | None
    """Strongest OV effect: (attended symbol, raised symbol, logits); None if there is none."""

    @property
    def attention_class(self) -> str | None:
        """Its class, if it has one."""
        return self.attends_to if self.has_class else None


def attention(checkpoint: Checkpoint, text: str) -> Sweep:
    """Every head's attention pattern on a text: `[layer, head, query, key]`."""
    tokens = checkpoint.encode(text)
    if len(tokens) < 2:
        raise NanoscopeError("the text must have at least two tokens, so that there is something to attend to")
    values = run(checkpoint.model, tokens[None], keep=["pattern"]).cache.layers("pattern")[:, 0].numpy()
    pieces = checkpoint.pieces(text)
    return Sweep(values, ("layer", "head", "query", "key"), "attention", {"query": pieces, "key": pieces})


def summaries(result: Result) -> tuple[HeadSummary, ...]:
    """The heads of a stored result of the experiment `heads`, layer by layer."""
    return tuple(_summary(result, *at) for at in product(*map(range, result["label"].values.shape)))


def _summary(result: Result, layer: int, head: int) -> HeadSummary:
    classes, symbols = result["scores_report"].labels("cls"), result["symbols"].labels("symbol")
    shares, label = result["scores_report"].values[:, layer, head], int(result["label"].values[layer, head])
    order = [int(index) for index in (-shares).argsort(kind="stable")]
    own = order[0] if label < 0 else label
    second = next(index for index in order if index != own)
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
