"""Which latents of a dictionary are active where, over the windows of a text: only what is not 0 is kept.

active = active_over(model, source, coder, windows)
chars, values = active.of(17)          # where latent 17 is active, and how strongly
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.dictionaries.metrics import Reconstructs
from nanoscope.dictionaries.source import Source
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.text.windows import Windows


@dataclass(frozen=True)
class Active:
    """Every active latent at every character (token), the windows concatenated: entries sorted by latent, then by character."""

    latents: int
    chars: int
    latent: Int[np.ndarray, "entry"] = field(repr=False)
    char: Int[np.ndarray, "entry"] = field(repr=False)
    value: Float[np.ndarray, "entry"] = field(repr=False)

    @cached_property
    def _begins(self) -> Int[np.ndarray, "bound"]:
        return np.searchsorted(self.latent, np.arange(self.latents + 1))

    def of(self, latent: int) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Where one latent is active, and its values there."""
        at = slice(self._begins[latent], self._begins[latent + 1])
        return self.char[at], self.value[at]

    @property
    def density(self) -> Float[np.ndarray, "latent"]:
        """By latent: the share of characters on which it is active."""
        return np.diff(self._begins) / self.chars

    @property
    def largest(self) -> Float[np.ndarray, "latent"]:
        """By latent: its largest value; 0 if it is never active."""
        found = np.zeros(self.latents, dtype=np.float32)
        np.maximum.at(found, self.latent, self.value)
        return found

    def dense(self, latents: Sequence[int] | Int[np.ndarray, "some"]) -> Float[Tensor, "some char"]:
        """Some latents at every character."""
        found = torch.zeros(len(latents), self.chars)
        for row, latent in zip(found, latents, strict=True):
            chars, values = self.of(int(latent))
            row[torch.from_numpy(chars)] = torch.from_numpy(values)
        return found


def active_over(
    model: GPT, source: Source, coder: Reconstructs, windows: Windows, progress: Progress = silent
) -> Active:
    """The active latents of a coder on every token of the windows, without start symbols."""
    parts, latents = [], 0
    for chunk in windows.chunks():
        progress("where features are active", chunk.start, len(windows))
        f = coder.encode(windows.read(source.read(model, windows.tokens[chunk]).x)).flatten(0, 1)
        latents = f.shape[1]
        char, latent = f.nonzero(as_tuple=True)
        parts.append((char + chunk.start * windows.size, latent, f[char, latent]))
    char, latent, value = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    order = np.lexsort((char, latent))
    return Active(latents, windows.places.size, latent[order], char[order], value[order].astype(np.float32))
