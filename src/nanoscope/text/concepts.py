"""What each character of a text is: a vowel, the start of a word, part of a speaker's name.

`concepts` gives labels that may overlap (one capital may start a line, a word and a speaker's name); `kinds` gives each
character exactly one, for results that are split by kind of input. Everything is read off the text alone.

A word is a run of letters and apostrophes. A speaker's name is what stands before the colon that ends a line which
follows an empty one, as plays are printed; a text without such lines simply has none (methods.md 2.1, 5).
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Bool, Int

VOWELS, PUNCTUATION = "aeiouAEIOU", ".,;:!?'\"-()[]&$"
SPEAKER = re.compile(r"(?:\A|(?<=\n\n))[^\n:]+(?=:\n)")
WORD = re.compile(r"[^\W\d_](?:['’]?[^\W\d_])*")
LETTERS_APART = 5
"""Positions in a word are told apart up to this one; it stands for all later ones too."""
KINDS = ("speaker name", "line start", "word start", "within word", "other")


def concepts(text: str) -> dict[str, Bool[np.ndarray, "char"]]:
    """Every concept's characters. "line start" is the first character after a newline, whatever it is."""
    each = np.array(list(text), dtype="<U1")
    place = _place_in_word(text)
    letter = place > 0
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
        "word start": place == 1,
        **{f"letter {n} of a word": place == n for n in range(2, LETTERS_APART)},
        f"letter {LETTERS_APART} or later of a word": place >= LETTERS_APART,
        "word end": letter & ~np.append(place[1:] > 1, False),
    }


def kinds(text: str) -> Int[np.ndarray, "char"]:
    """The one kind of each character, as an index into `KINDS`; the first of them that fits."""
    of = concepts(text)
    place = _place_in_word(text)
    fits = [of["speaker name"], of["line start"] & ~of["newline"], place == 1, place > 1]
    return np.select(fits, range(len(fits)), default=len(fits))


def _place_in_word(text: str) -> Int[np.ndarray, "char"]:
    """1 for a word's first character, 2 for its second, ...; 0 outside words."""
    place = np.zeros(len(text), dtype=np.int64)
    for word in WORD.finditer(text):
        place[word.start() : word.end()] = np.arange(1, word.end() - word.start() + 1)
    return place


def _covered(text: str, pattern: re.Pattern[str]) -> Bool[np.ndarray, "char"]:
    inside = np.zeros(len(text), dtype=bool)
    for found in pattern.finditer(text):
        inside[found.start() : found.end()] = True
    return inside


def _is(text: str, test) -> Bool[np.ndarray, "char"]:
    return np.fromiter(map(test, text), dtype=bool, count=len(text))


def _after(where: Bool[np.ndarray, "char"], at_start: bool) -> Bool[np.ndarray, "char"]:
    """The characters after these."""
    return np.concatenate([[at_start], where[:-1]])[: len(where)]
