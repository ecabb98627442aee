"""A task: aligned pairs of token sequences, with the positions at which the answer is read.

The paired design: `clean` and `corrupt` have the same length, read positions and answers; only the information that
determines the answer differs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.windows import started


@dataclass(frozen=True)
class Task:
    """Token pairs `[example, pos]`, and the position, answer and wrong answer of each read `[example, read]`.

    The logits *at* `positions` predict the answer, which is the next token.
    """

    clean: Tensor
    corrupt: Tensor
    answer: Tensor
    wrong: Tensor
    positions: Tensor

    def __post_init__(self) -> None:
        if self.clean.shape != self.corrupt.shape:
            raise NanoscopeError(
                f"clean and corrupt must have the same number of tokens, not {self.clean.shape[-1]} and "
                f"{self.corrupt.shape[-1]}; make the two texts equally long"
            )
        if not self.answer.shape == self.wrong.shape == self.positions.shape:
            raise NanoscopeError("answer, wrong and positions must all be [example, read]")

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        (examples, length), reads = self.clean.shape, self.positions.shape[1]
        where = f"clean and corrupt differ from position {self.first_difference} on"
        return f"Task({examples} examples of {length} tokens, {reads} read in each; {where})"

    def __getitem__(self, examples: slice) -> Task:
        """Some of the examples."""
        return Task(*(getattr(self, f.name)[examples] for f in fields(self)))

    def tiled(self, times: int) -> Task:
        """The examples repeated `times` times, as a whole."""
        return Task(*(getattr(self, f.name).repeat(times, 1) for f in fields(self)))

    @property
    def first_difference(self) -> int:
        """The first position at which any pair differs. Patches before it have no effect."""
        differs = (self.clean != self.corrupt).any(dim=0)
        return int(differs.float().argmax()) if bool(differs.any()) else self.clean.shape[1]


def pair(tokenizer: Tokenizer, clean: str, corrupt: str, answer: str | None = None, wrong: str | None = None) -> Task:
    """A task from a user's pair of prompts, read at the last position. The answers default to the prompts' last tokens.

    Of a model that needs a start symbol, both prompts begin with it: it is position 0.
    """
    ids = [tokenizer.encode(text)[None] for text in (clean, corrupt, answer or "", wrong or "")]
    if answer is None or wrong is None:
        ids = [part for cut in (slice(-1), slice(-1, None)) for part in (ids[0][:, cut], ids[1][:, cut])]
        answer, wrong = (tokenizer.decode(part[0]) for part in ids[2:])
    if any(tokens.shape[1] == 0 for tokens in ids) or ids[2].shape[1] != 1 or ids[3].shape[1] != 1:
        raise NanoscopeError("both prompts must have at least two symbols, and each answer must be one symbol")
    if torch.equal(ids[2], ids[3]):
        raise NanoscopeError(
            f"the answer and the wrong answer are both {answer!r}; give two, or texts that end differently"
        )
    read = [started(tokens, tokenizer.start) for tokens in ids[:2]]
    return Task(*read, *ids[2:], positions=torch.tensor([[read[0].shape[1] - 1]]))


def long_tensor(values: np.ndarray) -> Tensor:
    """Integers as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(values)).long()
