"""The mined tasks by name, each with a line that says what it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.tasks.mined.distance import at_distance
from nanoscope.tasks.mined.places import after_blank_line, after_name, word_end
from nanoscope.tasks.mined.swaps import LENGTH
from nanoscope.tasks.task import Task
from nanoscope.text.tokenizer import Tokenizer

DISTANCES = range(1, 6)
Miner = Callable[..., Task]
"""A function that is called as `Mined` is."""


@dataclass(frozen=True)
class Mined:
    """A task by name: what it asks, and how it is mined from a text."""

    name: str
    description: str
    mine: Miner = field(repr=False)

    def __call__(
        self, tokens: Int[Tensor, "pos"], tokenizer: Tokenizer, examples: int, *labels: object, length: int = LENGTH
    ) -> Task:
        """Some examples from the tokens of a text, in windows of `length`; the labels name the random stream."""
        return self.mine(tokens, tokenizer, examples, *labels, length=length)


def _distance(distance: int) -> Mined:
    def mine(tokens: Int[Tensor, "pos"], tokenizer: Tokenizer, examples: int, *labels: object, length: int) -> Task:
        return at_distance(tokens, distance, examples, *labels, start=tokenizer.start, length=length)

    places = f"{distance} places before" if distance > 1 else "just before"
    description = f"what comes next, where only the token {places} the last one decides it"
    return Mined(f"distance-{distance}", description, mine)


MINED: Mapping[str, Mined] = {
    task.name: task
    for task in (
        *map(_distance, DISTANCES),
        Mined("after-name", "the colon after a speaker's name in capitals", after_name),
        Mined("after-blank-line", "the capital that begins a line after a blank one", after_blank_line),
        Mined("word-end", "the space or punctuation mark after the last letter of a word", word_end),
    )
}


def mined(name: str) -> Mined:
    """The mined task of a name. Raises NanoscopeError, which lists all, if there is none."""
    if name not in MINED:
        raise NanoscopeError(f"there is no task {name!r}; the tasks are {', '.join(MINED)}")
    return MINED[name]
