"""The features of a dictionary that are active on a text, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.text.windows import lead, started


@dataclass(frozen=True)
class ActiveFeature:
    """A feature's value on every token of a text, and its largest over the corpus; None where that was not measured."""

    feature: int
    values: tuple[float, ...]
    largest: float | None


def on_text(
    checkpoint: Checkpoint,
    dictionary: Dictionary,
    text: str,
    most: int,
    first: Sequence[int] = (),
    largest: Float[np.ndarray, "latent"] | None = None,
) -> tuple[ActiveFeature, ...]:
    """The features `first`, then those active on a text: closest to their largest value over the corpus, or, without it, with
    the largest value. NanoscopeError for an empty text and a feature that there is not."""
    f = _values(checkpoint, dictionary, text)
    for feature in first:
        if not 0 <= feature < len(f):
            raise NanoscopeError(f"there is no feature {feature}; the dictionary has 0..{len(f) - 1}")
    peaks = f.max(axis=1)
    shares = peaks if largest is None else peaks / np.where(largest > 0, np.maximum(largest, peaks), np.inf)
    order = [int(at) for at in (-shares).argsort(kind="stable") if peaks[at] > 0 and int(at) not in first]
    features = [*first, *order][: max(most, len(first))]
    return tuple(
        ActiveFeature(at, tuple(f[at].tolist()), None if largest is None else float(largest[at])) for at in features
    )


def _values(checkpoint: Checkpoint, dictionary: Dictionary, text: str) -> Float[np.ndarray, "latent pos"]:
    vocabulary = checkpoint.known_vocabulary
    tokens = vocabulary.encode(text)
    if not len(tokens):
        raise NanoscopeError("the text is empty; type at least one character")
    read = dictionary.source.read(checkpoint.model, started(tokens, vocabulary.start)[None])
    with torch.no_grad():
        return dictionary.coder.encode(read.x)[0, lead(vocabulary.start) :].T.numpy()
