"""Experiment 00, kinds of characters: what stands at each place of a text, in one word.

Finer than `text.concepts.KINDS`: what is no letter is a space, a newline or punctuation.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from nanoscope.text.concepts import KINDS as COARSE
from nanoscope.text.concepts import concepts, kinds
from nanoscope.text.passages import Passages
from nanoscope.text.tokenizer import TokenizedText

SIGNS = ("space", "newline", "punctuation")
KINDS = (*COARSE[:-1], *SIGNS, COARSE[-1])


def fine_kinds(text: str) -> Int[np.ndarray, "char"]:
    """The kind of each character, as an index into `KINDS`."""
    coarse, of = kinds(text), concepts(text)
    other = len(COARSE) - 1
    sign = np.select([of[name] for name in SIGNS], range(other, other + len(SIGNS)), default=len(KINDS) - 1)
    return np.where(coarse == other, sign, coarse)


def members(text: TokenizedText, windows: Passages, where: slice) -> Bool[np.ndarray, "kind window place"]:
    """The targets of each kind at some positions of the windows; a token has the kind of its last character."""
    of = fine_kinds(text.text)[text.last][windows.places + 1][:, where]
    return of == np.arange(len(KINDS))[:, None, None]
