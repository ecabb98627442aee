"""Pairs of token sequences that differ only in the information that determines the answer, and metrics on them."""

from nanoscope.rooms import opened
from nanoscope.tasks.natural import natural_copies
from nanoscope.tasks.synthetic import (
    RepeatedSequences,
    alphabet,
    copy_task,
    lengths_that_fit,
    repeated_sequences,
    shuffled,
    suffix_lookup,
)
from nanoscope.tasks.task import Task, pair

__all__ = [
    "RepeatedSequences",
    "Task",
    "alphabet",
    "copy_task",
    "lengths_that_fit",
    "natural_copies",
    "pair",
    "repeated_sequences",
    "shuffled",
    "suffix_lookup",
]

globals().update(opened(__name__, __path__))
