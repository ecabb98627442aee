"""The model's prediction after each layer, at every position of a text of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int

from nanoscope.analysis.prediction import logit_lens, tuned_lens
from nanoscope.analysis.prediction.logit_lens import Lens
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.passages import windows_to_fit
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.windows import first_speech

FIT_WINDOWS, HELD_OUT_WINDOWS = 256, 32
"""Numbers of text windows for fitting the tuned lens and for ending the fit."""
FIT = tuned_lens.Settings(steps=150, batch=2048)
SPEECH = 30
"""Tokens of a corpus's speech that fit one row of a figure."""


@dataclass(frozen=True)
class LensReading:
    """A text read through a lens."""

    text: str
    pieces: tuple[str, ...] = field(repr=False)
    """The text token by token."""
    values: Sweep = field(repr=False)
    """`[measure, layer, place]`, as returned by `logit_lens.on_sentence`, with `place` labelled by the characters."""
    symbols: tuple[str, ...] = field(repr=False)
    """The symbol of each token id."""
    settled: Int[np.ndarray, "place"] = field(repr=False)
    """Number of layers after which the prediction has settled: from there on KL to the output stays small."""


def read(checkpoint: Checkpoint, text: str, lens: Lens) -> LensReading:
    """Apply a lens at every position of a text. NanoscopeError if the text is empty or does not fit the context."""
    if not text:
        raise NanoscopeError("the text is empty; give some with --text")
    vocabulary = checkpoint.known_vocabulary
    tokens, names = vocabulary.encode(text), vocabulary.names(checkpoint.model.config.vocab_size)
    values = logit_lens.on_sentence(checkpoint.model, tokens, lens, vocabulary.start)
    values = replace(values, coords={**values.coords, "place": tuple(names[token] for token in tokens.tolist())})
    settled = logit_lens.settled(values.sel(measure="kl").values < logit_lens.NEAR)
    return LensReading(text, checkpoint.pieces(text), values, names, settled)


def opening(checkpoint: Checkpoint, corpus: Corpus) -> str:
    """The first `SPEECH` tokens of the validation text's first speech, fewer if the context is shorter."""
    val = tokenized(corpus.val, checkpoint.known_vocabulary)
    read = val.offsets[val.passage(first_speech(val.text), min(SPEECH, checkpoint.model.config.block_size - 1))]
    return val.text[read[0, 0] : read[-1, 1]] if len(read) else ""


def fitted(checkpoint: Checkpoint, corpus: Corpus, progress: Progress = silent) -> tuned_lens.Fit:
    """Fit a tuned lens on a corpus with few steps: `Fit.stopped` says whether its held-out KL had stopped falling by then."""
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    tokens, context = vocabulary.encode(corpus.train), model.config.block_size
    symbols = model.config.vocab_size
    fitted, held = (
        max(2, min(tuned_lens.affordable(n * context, symbols), tuned_lens.room_for(model)) // context)
        for n in (FIT_WINDOWS, HELD_OUT_WINDOWS)
    )
    windows = windows_to_fit(tokens, context, fitted, held, vocabulary.start)
    train, held_out = (tuned_lens.collect(model, some, progress) for some in windows)
    settings = replace(FIT, batch=tuned_lens.affordable(FIT.batch, symbols))
    return tuned_lens.fit(model, train, held_out, settings, "command line", progress=progress)
