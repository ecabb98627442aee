"""Labels for each character of a text: a vowel, the start of a word, part of a speaker's name.

`concepts` returns labels that may overlap (one capital may start a line, a word and a speaker's name). `kinds` gives each
character exactly one label, for results that are split by kind of input. Both depend on the text alone.

A word is a run of letters and apostrophes. A speaker's name is a line that follows an empty line and ends in a colon, as
in printed plays; other texts have none (docs/methods/texts_and_tasks.md).
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Bool, Int

VOWELS, PUNCTUATION = "aeiouAEIOU", ".,;:!?'\"-()[]&$"
SPEAKER = re.compile(r"(?:\A|(?<=\n\n))[^\n:]+(?=:\n)")
WORD = re.compile(r"[^\W\d_](?:['’]?[^\W\d_])*")
LETTERS_APART = 5
"""The last position in a word with a label of its own, which all later positions share."""
KINDS = ("speaker name", "line start", "word start", "within word", "other")


def concepts(text: str) -> dict[str, Bool[np.ndarray, "char"]]:
    """For each concept, which characters it applies to. "line start" is any character after a newline."""
    each = np.array(list(text), dtype="<U1")
    position = _position_in_word(text)
    letter = position > 0
    return {
        "vowel": np.isin(each, list(VOWELS)),
        "consonant": _is(text, str.isalpha) & ~np.isin(each, list(VOWELS)),
        "uppercase": _is(text, str.isupper),
        "digit": _is(text, str.isdigit),
        "punctuation": np.isin(each, list(PUNCTUATION)),
        "sentence end": np.isin(each, list(".!?")),
        "space": each == " ",
        "newline": each == "\n",
        "line start": _after(each == "\n", at_start=True),
        "empty line": (each == "\n") & _after(each == "\n", at_start=True),
        "speaker name": _covered(text, SPEAKER),
        "word start": position == 1,
        **{f"letter {n} of a word": position == n for n in range(2, LETTERS_APART)},
        f"letter {LETTERS_APART} or later of a word": position >= LETTERS_APART,
        "word end": letter & ~np.append(position[1:] > 1, False),
    }


def kinds(text: str) -> Int[np.ndarray, "char"]:
    """The kind of each character, as an index into `KINDS`: the first kind that applies."""
    of = concepts(text)
    position = _position_in_word(text)
    applies = [of["speaker name"], of["line start"] & ~of["newline"], position == 1, position > 1]
    return np.select(applies, range(len(applies)), default=len(applies))


def _position_in_word(text: str) -> Int[np.ndarray, "char"]:
    """1 for a word's first character, 2 for its second, ...; 0 outside words."""
    position = np.zeros(len(text), dtype=np.int64)
    for word in WORD.finditer(text):
        position[word.start() : word.end()] = np.arange(1, word.end() - word.start() + 1)
    return position


def _covered(text: str, pattern: re.Pattern[str]) -> Bool[np.ndarray, "char"]:
    inside = np.zeros(len(text), dtype=bool)
    for found in pattern.finditer(text):
        inside[found.start() : found.end()] = True
    return inside


def _is(text: str, test) -> Bool[np.ndarray, "char"]:
    return np.fromiter(map(test, text), dtype=bool, count=len(text))


def _after(where: Bool[np.ndarray, "char"], at_start: bool) -> Bool[np.ndarray, "char"]:
    """Which characters follow the marked ones; `at_start` is the value for the first character."""
    return np.concatenate([[at_start], where[:-1]])[: len(where)]
