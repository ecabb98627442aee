"""The loss at every position of a text: a model's, and that of n-gram tables which see the same windows.

Both predict `targets[window, pos]` from the tokens of the window up to and including `pos`, so early positions have a
short context for the tables as for the model, and the two can be compared place by place.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages
from nanoscope.text.windows import at_a_time, in_batches

CHUNK = 16


def of_model(model: GPT, text: Passages) -> Float[np.ndarray, "window pos"]:
    """A model's cross-entropy of each next token, in nats."""

    def losses(some: Passages) -> np.ndarray:
        log_probs = metrics.log_probs(some.read(run(model, some.tokens).logits).float())
        return -metrics.chosen(log_probs, some.targets).double().cpu().numpy()

    return in_batches(text, at_a_time(CHUNK, text.tokens.shape[1], model.config.vocab_size), losses)


def of_tables(tables: NGrams, text: Passages) -> Float[np.ndarray, "order window pos"]:
    """The cross-entropy of each next token under n-gram tables of orders 1, 2, ..., in nats."""
    return -np.log(tables.prob(text.text.numpy())[..., 1:])
