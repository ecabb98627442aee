"""What the model would say after each layer, along a text of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int

from nanoscope.analysis.prediction import logit_lens, tuned_lens
from nanoscope.analysis.prediction.logit_lens import Lens
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.passages import windows_to_fit
from nanoscope.text.windows import first_speech

FIT_WINDOWS, HELD_OUT_WINDOWS = 256, 32
"""Windows of text that the tuned lens is fitted on and stopped by."""
FIT = tuned_lens.Settings(steps=150, batch=2048)
SPEECH = 30
"""Characters of a corpus's own that fit one row of a figure."""


@dataclass(frozen=True)
class LensReading:
    """A text read through a lens."""

    text: str
    values: Sweep = field(repr=False)
    """`[measure, layer, place]`, as `logit_lens.on_sentence` gives it, the places labelled by their characters."""
    symbols: tuple[str, ...] = field(repr=False)
    """What each token id is."""
    settled: Int[np.ndarray, "place"] = field(repr=False)
    """After how many layers the prediction has settled: KL to the output stays small from there on."""


def read(checkpoint: Checkpoint, text: str, lens: Lens) -> LensReading:
    """What a lens says after every character of a text; NanoscopeError where the text is empty or does not fit."""
    if not text:
        raise NanoscopeError("the text is empty; give some with --text")
    vocabulary = checkpoint.known_vocabulary
    tokens, names = vocabulary.encode(text), vocabulary.names(checkpoint.model.config.vocab_size)
    values = logit_lens.on_sentence(checkpoint.model, tokens, lens, vocabulary.start)
    values = replace(values, coords={**values.coords, "place": tuple(names[token] for token in tokens.tolist())})
    settled = logit_lens.settled(values.sel(measure="kl").values < logit_lens.NEAR)
    return LensReading(text, values, names, settled)


def opening(corpus: Corpus, context: int) -> str:
    """The beginning of the first speech of the validation text, as long as one row of a figure."""
    begins = first_speech(corpus.val)
    return corpus.val[begins : begins + min(SPEECH, context - 1)]


def fitted(checkpoint: Checkpoint, corpus: Corpus) -> tuned_lens.Fit:
    """A tuned lens, fitted quickly on a text."""
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    tokens, context = vocabulary.encode(corpus.train), model.config.block_size
    windows = windows_to_fit(tokens, context, FIT_WINDOWS, HELD_OUT_WINDOWS, vocabulary.start)
    train, held_out = (tuned_lens.collect(model, some) for some in windows)
    return tuned_lens.fit(model, train, held_out, FIT, "command line")
