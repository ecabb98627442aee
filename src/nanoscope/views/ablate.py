"""Components of a model changed while it reads a text: heads, MLPs and neurons taken away, or scaled; and features.

A component is named `L0H4`, `L1.mlp`, `L1.attn` or `L2N17`; `L2N17*3` is scaled by 3. What is taken away is replaced by zero,
by its mean over the positions of the text itself, by its values on another text, or by its mean over a corpus. Features of
dictionaries are named as `feature_changes` says; one that is taken away is 0, whatever replaces the components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, HasActivations, mean, patch, scale, zero
from nanoscope.interventions.run import Cache, activations, check_site
from nanoscope.model.config import GPTConfig
from nanoscope.model.names import component
from nanoscope.model.sites import Site
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import started, windows
from nanoscope.views.feature_changes import FeatureChange, OpenDictionary, feature_edits
from nanoscope.views.sample import WINDOWS

How = Literal["zero", "mean", "other", "corpus"]
STRONGEST = 100.0
"""The largest factor, in either direction."""


@dataclass(frozen=True)
class Change:
    """A component, and the factor that it is multiplied by; None: it is taken away."""

    site: Site
    factor: float | None

    @staticmethod
    def named(name: str) -> Change:
        """NanoscopeError for what names no component, or a factor that is no number from -100 to 100."""
        of, scaled, factor = name.partition("*")
        try:
            by = float(factor) if scaled else None
        except ValueError:
            by = float("nan")
        if by is not None and not abs(by) <= STRONGEST:
            raise NanoscopeError(f"{name!r}: the factor must be a number from -{STRONGEST:g} to {STRONGEST:g}")
        return Change(component(of), by)


def changes(
    checkpoint: Checkpoint,
    text: str,
    names: Sequence[str],
    how: How = "zero",
    other: str = "",
    means: HasActivations | None = None,
    dictionaries: Sequence[OpenDictionary] = (),
) -> tuple[AnyEdit, ...]:
    """The edits that change these components, and features of `dictionaries`, while the model reads a text.

    `other` is the text whose values replace what is taken away, position by position and from its beginning again where it is
    shorter; `means` are those of `corpus_means`. NanoscopeError for a component that the model lacks, and for an empty `other`.
    """
    model = checkpoint.model
    found, features = components(names), features_of(names)
    for change in found:
        check_site(change.site, model, model.config.block_size)
    scaled = tuple(scale(change.site, change.factor) for change in found if change.factor is not None)
    off = [change.site for change in found if change.factor is None]
    edits = scaled + _off(checkpoint, text, off, how, other, means) if off else scaled
    if not features:
        return edits
    return edits + feature_edits(checkpoint, _tokens(checkpoint, text), features, dictionaries, edits)


def components(names: Sequence[str]) -> list[Change]:
    """The changes of heads, MLPs and neurons among named changes."""
    return [Change.named(name) for name in names if FeatureChange.named(name) is None]


def features_of(names: Sequence[str]) -> list[FeatureChange]:
    """The changes of features among named changes."""
    return [one for one in map(FeatureChange.named, names) if one is not None]


def _off(
    checkpoint: Checkpoint, text: str, sites: Sequence[Site], how: How, other: str, means: HasActivations | None
) -> tuple[AnyEdit, ...]:
    if how == "zero":
        return tuple(zero(site) for site in sites)
    if how == "corpus":
        if means is None:
            raise NanoscopeError("the means over a corpus were not given; compute them by corpus_means")
        return tuple(mean(site, means, over=("batch", "pos")) for site in sites)
    tokens = _tokens(checkpoint, text)
    if how == "mean":
        cache = activations(checkpoint.model, tokens[None], keep=sites)
        return tuple(mean(site, cache, over=("batch", "pos")) for site in sites)
    cache = activations(checkpoint.model, repeated(checkpoint, other, len(tokens))[None], keep=sites)
    return tuple(patch(site, cache) for site in sites)


def repeated(checkpoint: Checkpoint, text: str, length: int) -> Int[Tensor, "pos"]:
    """A text as the model reads it, repeated and cut to a number of tokens."""
    vocabulary = checkpoint.known_vocabulary
    tokens = vocabulary.encode(text)
    if not len(tokens):
        raise NanoscopeError("the other text is empty; type the text whose values replace what is off")
    return started(tokens.repeat(-(-length // len(tokens))), vocabulary.start)[:length]


def corpus_means(checkpoint: Checkpoint, corpus: Corpus) -> Cache:
    """The mean of what every head, neuron, MLP and attention writes, over windows of a corpus's validation text."""
    model, context = checkpoint.model, checkpoint.model.config.block_size
    tokens = checkpoint.encode(corpus.val)
    read = windows(tokens, context, WINDOWS * context, checkpoint.known_vocabulary.start).tokens
    runs = [activations(model, one[None], keep=_written(model.config)) for one in read]
    return Cache({key: torch.stack([run[key].mean((0, 1), keepdim=True) for run in runs]).mean(0) for key in runs[0]})


def _written(config: GPTConfig) -> tuple[str, ...]:
    return ("z", "attn_out") if config.attention_only else ("z", "attn_out", "post", "mlp_out")


def _tokens(checkpoint: Checkpoint, text: str) -> Int[Tensor, "pos"]:
    vocabulary = checkpoint.known_vocabulary
    return started(vocabulary.encode(text), vocabulary.start)
