"""A text of the user's own: how surprising each character is to the model, and after which layer it is decided.

A text longer than the context is read in windows that overlap by half, so that every later character has at least half a
context before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.prediction import logit_lens
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.text.windows import room


@dataclass(frozen=True)
class TextReading:
    """How the model predicts each token of a text but the first, which has nothing before it."""

    pieces: tuple[str, ...]
    """The tokens as text: characters, for most models. The first one is not predicted."""
    loss: Float[np.ndarray, "predicted"] = field(repr=False)
    """Nats: how surprising each token was."""
    guess: tuple[str, ...] = field(repr=False)
    """The token that the model thought most probable in its place."""
    chance: Float[np.ndarray, "predicted"] = field(repr=False)
    """The probability of that guess."""
    decided: Int[np.ndarray, "predicted"] = field(repr=False)
    """The number of layers after which the prediction has settled: KL(model || lens) stays below 0.1 nats (`logit_lens`)."""

    def hardest(self, most: int) -> tuple[int, ...]:
        """The most surprising tokens, most surprising first, as indices into `pieces`."""
        return tuple(int(at) + 1 for at in np.argsort(-self.loss, kind="stable")[:most])


def read_text(checkpoint: Checkpoint, text: str) -> TextReading:
    """Read a text of any length. NanoscopeError if it has fewer than two tokens or unknown ones."""
    vocabulary = checkpoint.known_vocabulary
    tokens = vocabulary.encode(text)
    if len(tokens) < 2:
        raise NanoscopeError("the text must have at least two tokens, so that there is something to predict")
    values = _predictions(checkpoint, tokens)[:, :, :-1]
    top, chance, kl, following = values
    names = vocabulary.names(checkpoint.model.config.vocab_size)
    return TextReading(
        checkpoint.pieces(text),
        -np.log(following[-1].clip(np.finfo(float).tiny)),
        tuple(names[int(token)] for token in top[-1]),
        chance[-1],
        logit_lens.settled(kl < logit_lens.NEAR),
    )


def _predictions(checkpoint: Checkpoint, tokens: Int[Tensor, "pos"]) -> Float[np.ndarray, "measure reading pos"]:
    """`logit_lens.on_sentence` for a text of any length: every prediction from the window that gives it the most context."""
    model, start = checkpoint.model, checkpoint.known_vocabulary.start
    size = room(model.config.block_size, start)
    found = np.empty((len(logit_lens.SENTENCE), model.config.n_layer + 1, len(tokens)))
    ends = [*range(size, len(tokens), max(1, size // 2)), len(tokens)]
    known = 0
    for end in ends:
        begin = max(0, end - size)
        read = logit_lens.on_sentence(model, tokens[begin:end], model.unembed, start).values
        first = max(known - 1, begin)  # the last prediction of a window does not know what follows
        found[:, :, first:end] = read[:, :, first - begin :]
        known = end
    return found
