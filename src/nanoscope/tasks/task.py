"""A task: aligned pairs of token sequences, with the places where an answer is read.

The paired design: `clean` and `corrupt` have the same length, the same read positions and the same answers; only what
makes the answer knowable differs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Task:
    """Token pairs `[example, pos]`, and per read its position, right answer and wrong answer `[example, read]`.

    The logits *at* `positions` are the prediction of the answer, the token that follows.
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

    def __getitem__(self, examples: slice) -> Task:
        """Some of the examples."""
        return Task(*(getattr(self, f.name)[examples] for f in fields(self)))

    def tiled(self, times: int) -> Task:
        """All examples several times over, one after another."""
        return Task(*(getattr(self, f.name).repeat(times, 1) for f in fields(self)))

    @property
    def first_difference(self) -> int:
        """The first position at which any pair differs: before it, no patch can have an effect."""
        differs = (self.clean != self.corrupt).any(dim=0)
        return int(differs.float().argmax()) if bool(differs.any()) else self.clean.shape[1]


def pair(tokenizer: Tokenizer, clean: str, corrupt: str, answer: str | None = None, wrong: str | None = None) -> Task:
    """A user's own pair of texts, read at the last position. Without answers, each text's own last token is meant."""
    ids = [tokenizer.encode(text)[None] for text in (clean, corrupt, answer or "", wrong or "")]
    if answer is None or wrong is None:
        ids = [part for cut in (slice(-1), slice(-1, None)) for part in (ids[0][:, cut], ids[1][:, cut])]
        answer, wrong = (tokenizer.decode(part[0]) for part in ids[2:])
    if any(tokens.shape[1] == 0 for tokens in ids) or ids[2].shape[1] != 1 or ids[3].shape[1] != 1:
        raise NanoscopeError("both texts must have at least two symbols, and an answer is one symbol")
    if answer == wrong:
        raise NanoscopeError(
            f"the answer and the wrong answer are both {answer!r}; give two, or texts that end differently"
        )
    return Task(*ids, positions=torch.tensor([[ids[0].shape[1] - 1]]))


def long_tensor(values: np.ndarray) -> Tensor:
    """Whole numbers as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(values)).long()
