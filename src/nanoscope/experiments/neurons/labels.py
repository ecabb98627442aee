"""Neurons, the concepts that a neuron may be selective for: a value per token (that of its last character)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.text.concepts import concepts
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows

FAMILIES = ("context", "kind of character", "current character", "next character", "position")
CONTEXT, KIND, CURRENT, NEXT, POSITION = FAMILIES
CONDITIONS = (
    ("line start", "uppercase", True),
    ("speaker name", "uppercase", True),
    ("speaker name", "line start", False),
    ("word start", "uppercase", False),
    ("word start", "uppercase", True),
    ("empty line", "newline", True),
    ("uppercase", "line start", False),
    ("sentence end", "punctuation", True),
)
"""Nested concepts: (concept, other concept, whether the other holds on the characters that are compared)."""
WRITTEN = {"\n": "newline", " ": "space"}


@dataclass(frozen=True)
class Labels:
    """The concepts of one split, `values [concept, position]`; names and families are the same on every split."""

    names: tuple[str, ...]
    families: tuple[str, ...]
    values: np.ndarray

    def of(self, name: str) -> np.ndarray:
        """The values of one concept `[position]`."""
        return self.values[self.names.index(name)]


def concept_of(which: str, symbol: str) -> str:
    """The name of the concept that the "current" or the "next" token is this symbol."""
    return f"{which} {WRITTEN.get(symbol, symbol)}"


def labels(
    select: tuple[TokenizedText, Windows], report: tuple[TokenizedText, Windows], least: int
) -> tuple[Labels, Labels, int]:
    """The concepts of both splits, each a text and its windows, and how many were too rare.

    A concept is left out where, in either split, fewer than `least` tokens have it or fewer than `least` do not.
    """
    one, other = _all(*select, least), _all(*report, least)
    every = [name for name in one if name in other]
    kept = [name for name in every if _enough(one[name], least) and _enough(other[name], least)]
    if not kept:
        raise NanoscopeError(f"no concept has {least} tokens in both splits; use a longer text")
    here = select[0].tokens.numpy()[select[1].laid_out]
    names = tuple(name for _, name in kept)
    families = tuple(_family(family, one[family, name], here) for family, name in kept)
    splits = [Labels(names, families, np.stack([of[key] for key in kept])) for of in (one, other)]
    return splits[0], splits[1], len(set(one) | set(other)) - len(kept)


def _all(text: TokenizedText, windows: Windows, least: int) -> Mapping[tuple[str, str], np.ndarray]:
    """Every concept that occurs in the text, by family and name, as booleans `[position]`."""
    each, at = text.tokens.numpy(), windows.laid_out
    present = np.unique(each)
    names, nowhere = text.tokenizer.names(int(present[-1]) + 1), np.zeros(len(at), dtype=bool)
    found = {("", name): where[text.last[at]] for name, where in concepts(text.text).items()}
    for family, shown, prefix in ((CURRENT, each[at], "current"), (NEXT, each[at + 1], "next")):
        count = np.bincount(shown, minlength=len(names))
        found |= {  # concepts that are too rare share one array: the vocabulary may be large
            (family, concept_of(prefix, names[token])): shown == token if count[token] >= least else nowhere
            for token in sorted(present, key=lambda token: names[token])
        }
    position = np.tile(np.arange(windows.size), len(windows))
    found[POSITION, "first of its window"] = position == 0
    found[POSITION, "first quarter of its window"] = position < windows.size // 4
    found[POSITION, "last quarter of its window"] = position >= windows.size - windows.size // 4
    return found


def _enough(where: np.ndarray, least: int) -> bool:
    return min(int(where.sum()), len(where) - int(where.sum())) >= least


def _family(family: str, where: np.ndarray, here: np.ndarray) -> str:
    """The family of a concept. Concepts of the text have none yet: it is `KIND` if the current character decides them, else
    `CONTEXT`."""
    if family:
        return family
    _, symbol = np.unique(here, return_inverse=True)
    share = np.bincount(symbol, weights=where) / np.bincount(symbol)
    return KIND if np.isin(share, (0, 1)).all() else CONTEXT
