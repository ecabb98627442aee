"""Tasks by name: repeated random sequences, and those mined from a text.

Each is made twice: from the training text, to find a circuit on, and from the validation text, to judge it on.
"""

from __future__ import annotations

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.tasks.mined import MINED
from nanoscope.tasks.mined.swaps import LENGTH
from nanoscope.tasks.synthetic import alphabet, copy_task, lengths_that_fit
from nanoscope.tasks.task import Task
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import room

INDUCTION = "induction"
NAMES = (INDUCTION, *MINED)
PREFIX = 4


def described(name: str) -> str:
    """What a task asks. NanoscopeError, which lists all, if there is none of this name."""
    if name == INDUCTION:
        return "the next symbol of a random sequence that stood there before"
    if name not in MINED:
        raise NanoscopeError(f"there is no task {name!r}; the tasks are {', '.join(NAMES)}")
    return MINED[name].description


def named_tasks(checkpoint: Checkpoint, corpus: Corpus, name: str, examples: int) -> tuple[Task, Task]:
    """The task from the training text and from the validation text. NanoscopeError if a text has too few examples."""
    tokenizer, config = checkpoint.known_vocabulary, checkpoint.model.config
    train, val = corpus.split(tokenizer)
    if name == INDUCTION:
        symbols = alphabet(train, config.vocab_size)
        size = room(config.block_size, tokenizer.start)
        block = lengths_that_fit(size, len(symbols))[0]
        prefix = min(PREFIX, size - 2 * block)
        one, other = (
            copy_task(symbols, block, examples, "circuit", part, prefix=prefix, start=tokenizer.start)
            for part in ("train", "val")
        )
        return one, other
    length = min(LENGTH, config.block_size)
    one, other = (MINED[name](text, tokenizer, examples, "circuit", length=length) for text in (train, val))
    return one, other
