"""Formation, the numbers: every head's induction score and the copying behaviour at each checkpoint, and the available gain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.attention import repeated_sequences
from nanoscope.analysis.prediction import behaviour, copy_mixture
from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject, Sweeps, require_least
from nanoscope.model.gpt import GPT
from nanoscope.tasks import synthetic
from nanoscope.tasks.task import Task
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.windows import room
from nanoscope.training.batches import EchoBatches, TextBatches

SHARES = tuple(round(0.05 * i, 2) for i in range(21))
"""The doses at which the available gain is computed."""
ORDER = 5
"""The longest n-grams of the table: the best on tiny Shakespeare."""
INDUCTION = repeated_sequences.SCORES.index("induction")


@dataclass(frozen=True)
class Params:
    """How much is measured at each checkpoint."""

    sequences: int = 16
    """Repeated sequences per block length."""
    lengths: int = 3
    """Number of block lengths, shortest first; a head's score is the lowest over them."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, sequences=2)


def measure(subject: Subject, params: Params) -> Sweeps:
    """Heads `[step, length, layer, head]`, behaviour `[step, measure, run]`, and the gain `[dose]`. NanoscopeError without the
    checkpoints of a training of the control."""
    if subject.checkpoint.training.get("data") != "echo" or not subject.history:
        raise NanoscopeError(
            "formation reads the checkpoints of a training of the copying control; `nanoscope train control` keeps them: "
            "give FOLDER/final of such a training"
        )
    steps, model = tuple(sorted(subject.history)), subject.checkpoint.model
    symbols, context = model.config.vocab_size, model.config.block_size
    sequences, task = _tasks(subject, params)
    models = [load(subject.history[step]).model for step in steps]
    copies = [behaviour.on_task(one, task).mean("example") for one in models]
    named = {"step": steps, "length": tuple(one.length for one in sequences)}
    gains = available_gain(subject.corpus, subject.tokenizer, symbols, context)
    return {
        "heads": Sweep(
            np.stack([_scores(one, sequences) for one in models]),
            ("step", "length", "layer", "head"),
            "share above uniform",
            named,
        ),
        "behaviour": Sweep(
            np.stack([one.values for one in copies]),
            ("step", *copies[0].dims),
            copies[0].unit,
            {"step": steps, **copies[0].coords},
        ),
        "gain": Sweep(np.array(gains), ("dose",), "nats", {"dose": SHARES}),
    }


def _tasks(subject: Subject, params: Params) -> tuple[tuple[synthetic.RepeatedSequences, ...], Task]:
    """Repeated sequences of several lengths, and the paired copying task, as in a snapshot."""
    config, start = subject.checkpoint.model.config, subject.start
    symbols = synthetic.alphabet(subject.tokenizer.encode(subject.corpus.train), config.vocab_size)
    lengths = synthetic.lengths_that_fit(room(config.block_size, start), len(symbols))[: params.lengths]
    labels = ("formation", params.seed)
    sequences = (
        synthetic.repeated_sequences(symbols, n, config.block_size, params.sequences, start, *labels) for n in lengths
    )
    prefix = min(4, room(config.block_size, start) - 2 * lengths[0])
    task = synthetic.copy_task(symbols, lengths[0], 2 * params.sequences, *labels, prefix=prefix, start=start)
    return tuple(sequences), task


def _scores(model: GPT, sequences: tuple[synthetic.RepeatedSequences, ...]) -> Float[np.ndarray, "length layer head"]:
    """Every head's mean induction score above uniform attention."""
    scores = [
        repeated_sequences.above_uniform(
            repeated_sequences.attention_scores(model, one), repeated_sequences.uniform_scores(one)
        )
        for one in sequences
    ]
    return np.stack([one.values[INDUCTION].mean(-1) for one in scores])


@lru_cache(maxsize=2)
def available_gain(corpus: Corpus, tokenizer: Tokenizer, symbols: int, context: int) -> tuple[float, ...]:
    """What the best mixture of a table and a copier gains on the control's windows at each of `SHARES`, in nats per token
    beyond what it gains on windows without copies, where only the text's own repeats can pay."""
    train, val = (_rows(tokens, context) for tokens in corpus.split(tokenizer))

    def echoed(rows: Tensor, copied: float, spans: str) -> np.ndarray:
        source = EchoBatches(TextBatches(rows.flatten(), context), symbols, copied)
        return source.echoed(rows.clone(), "available gain", spans).numpy()

    # The table must not know the spans that are judged below.
    tables = NGrams.fit(echoed(train, 0.0, "of the table").ravel(), symbols, ORDER)
    with_copies, without = (copy_mixture.Predicted.of(echoed(val, copied, "judged"), tables) for copied in (1.0, 0.0))
    gains = [copy_mixture.gain([(share, with_copies), (1 - share, without)]) for share in SHARES]
    return tuple(gain - gains[0] for gain in gains)


def _rows(tokens: Tensor, context: int) -> Tensor:
    """The text cut into windows of context + 1 tokens, without the rest."""
    count = len(tokens) // (context + 1)
    return tokens[: count * (context + 1)].reshape(count, context + 1).to(torch.long)
