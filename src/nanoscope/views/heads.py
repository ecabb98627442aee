"""The class of every attention head, and attention patterns on a text of the user's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import classes_of, in_words
from nanoscope.interventions.run import activations
from nanoscope.model.names import head_name


@dataclass(frozen=True)
class HeadSummary:
    """One head. Shares are shares of attention above chance, on text not used to choose the classes."""

    name: str
    classes: tuple[str, ...]
    """Its classes, the largest first; none if no share is large and certain enough on both halves of the text."""
    attends_to: str
    """The class with the highest share, whether the head belongs to it or not."""
    share: float
    p: float
    """Of that share, corrected for all heads and classes."""
    second: str
    """The class with the next highest share."""
    second_share: float
    writes: tuple[str, str, float] | None
    """Strongest OV effect: (attended symbol, raised symbol, logits); None if there is none."""

    @property
    def has_class(self) -> bool:
        """Whether it has a class."""
        return bool(self.classes)

    @property
    def attention_class(self) -> str | None:
        """Its classes in words, if it has any: "induction and space"."""
        return in_words(self.classes) or None


def attention(checkpoint: Checkpoint, text: str) -> Sweep:
    """Every head's attention pattern on a text: `[layer, head, query, key]`."""
    tokens = checkpoint.encode(text)
    if len(tokens) < 2:
        raise NanoscopeError("the text must have at least two tokens, so that there is something to attend to")
    values = activations(checkpoint.model, tokens[None], keep=["pattern"]).layers("pattern")[:, 0].numpy()
    pieces = checkpoint.pieces(text)
    return Sweep(values, ("layer", "head", "query", "key"), "attention", {"query": pieces, "key": pieces})


def summaries(result: Result) -> tuple[HeadSummary, ...]:
    """The heads of a stored result of the experiment `heads`, layer by layer."""
    return tuple(_summary(result, *at) for at in product(*map(range, result["label"].values.shape)))


def _summary(result: Result, layer: int, head: int) -> HeadSummary:
    names, symbols = result["scores_report"].labels("cls"), result["symbols"].labels("symbol")
    shares = result["scores_report"].values[:, layer, head]
    first, second = (int(index) for index in (-shares).argsort(kind="stable")[:2])
    attended, raised, by = result["ov_strongest"].values[layer, head, 0]
    return HeadSummary(
        head_name(layer, head),
        classes_of(result.sweeps, layer, head),
        str(names[first]),
        float(shares[first]),
        float(result["p"].values[first, layer, head]),
        str(names[second]),
        float(shares[second]),
        None if math.isnan(by) else (str(symbols[int(attended)]), str(symbols[int(raised)]), float(by)),
    )
