"""Three places of a play at which the next character is plain to see: after a speaker's name, after a blank line, at the end
of a word. In each pair, other text of the same length stands where the reason for the answer stood.

The text must be read character by character (or byte by byte): with longer tokens the reason and the answer may be one token.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for
from nanoscope.tasks.mined.swaps import LENGTH, TIMES, Swap, spread_over_kinds, swapped
from nanoscope.tasks.task import Task
from nanoscope.text.concepts import WORD
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.windows import room

# These read the shape of a text: every capital is an A and every small letter an a.
NAME = re.compile(r"^(?P<kind>A[A' -]*A)(?=:)", re.MULTILINE)
BLANK_LINE = re.compile(r"\n{2,}(?=(?P<kind>A))")
ORDINARY = re.compile(r"^.*a.*(?<!:)$", re.MULTILINE)
AFTER_WORD = " ,.;:!?"


def after_name(
    tokens: Int[Tensor, "pos"], tokenizer: Tokenizer, examples: int, *labels: object, length: int = LENGTH
) -> Task:
    """A name in capitals at the beginning of a line, then a colon; in the corrupt window, as much text from the middle of an
    ordinary line instead of the name, and what followed there. At most one example in eight is of the same name."""
    return _replaced(NAME, ":", "after-name", tokens, tokenizer, examples, *labels, length=length)


def after_blank_line(
    tokens: Int[Tensor, "pos"], tokenizer: Tokenizer, examples: int, *labels: object, length: int = LENGTH
) -> Task:
    """A blank line, then a capital; in the corrupt window, text from the middle of an ordinary line instead of the newlines,
    and what followed there, which is no capital. At most one example in eight has the same answer."""
    return _replaced(BLANK_LINE, "A", "after-blank-line", tokens, tokenizer, examples, *labels, length=length)


def word_end(
    tokens: Int[Tensor, "pos"], tokenizer: Tokenizer, examples: int, *labels: object, length: int = LENGTH
) -> Task:
    """A word of small letters, then a space or a punctuation mark; in the corrupt window, the beginning of a longer word
    instead, as many letters with the same last one, and the letter that followed.

    Both are determined: of the words that begin with these letters, at least three and more than half end there, or go on
    with that letter. Each word is the clean one of at most one example, and at most one in eight has the same two answers.
    """
    text = _characters(tokens, tokenizer, "word-end")
    rng = np.random.default_rng(seed_for("word-end", *labels))
    found = _words(text, room(length, tokenizer.start), rng)
    return swapped(tokens, spread_over_kinds(found, examples, "word-end"), length, tokenizer.start)


def _replaced(
    pattern: re.Pattern[str],
    due: str,
    task: str,
    tokens: Int[Tensor, "pos"],
    tokenizer: Tokenizer,
    examples: int,
    *labels: object,
    length: int,
) -> Task:
    """Windows that end with what a pattern finds in the shape of the text, after which a character of the shape `due` comes."""
    text = _characters(tokens, tokenizer, task)
    rng = np.random.default_rng(seed_for(task, *labels))
    shape = text.translate({ord(c): "A" if c.isupper() else "a" for c in set(text) if c.isupper() or c.islower()})
    size = room(length, tokenizer.start)
    places = [found for found in pattern.finditer(shape) if found.end() >= size > found.end() - found.start()]
    swaps = spread_over_kinds(_from_lines(text, shape, places, due, rng), examples, task)
    return swapped(tokens, swaps, length, tokenizer.start)


def _from_lines(
    text: str, shape: str, places: Sequence[re.Match[str]], due: str, rng: np.random.Generator
) -> Iterator[tuple[Hashable, Swap]]:
    """The places in random order, each with a random equally long piece of an ordinary line: neither its first character nor
    its last belongs to the piece, and what follows has not the shape `due`."""
    column = np.full(len(shape) + 1, -1)
    for line in ORDINARY.finditer(shape):
        column[line.start() : line.end()] = np.arange(line.end() - line.start())
    goes_on = (column[1:] > 0) & np.array([*(character != due for character in shape[1:]), False])
    lengths = {place.end() - place.start() for place in places}
    pieces = {length: np.flatnonzero((column[:-1] >= length) & goes_on) for length in lengths}
    for index in rng.permutation(len(places)):
        begin, end = places[index].span()
        if len(pieces[end - begin]):
            yield (
                text[slice(*places[index].span("kind"))],
                Swap(end - 1, int(rng.choice(pieces[end - begin])), end - begin),
            )


def _words(text: str, size: int, rng: np.random.Generator) -> Iterator[tuple[Hashable, Swap]]:
    """Words that end, in random order, each at a random place and with a random beginning of a longer word."""
    words, begun = _beginnings(text)
    going_on = _going_on(begun)
    whole = sorted(word for word, at in words.items() if 1 < len(word) < size and _mostly(at, begun[word]))
    for index in rng.permutation(len(whole)):
        word = whole[index]
        ends = [begin + len(word) - 1 for begin in words[word]]
        ends = [at for at in ends if size - 1 <= at < len(text) - 1 and text[at + 1] in AFTER_WORD]
        longer = going_on[len(word), word[-1]]
        if ends and longer:
            at, begin = rng.choice(ends), rng.choice(begun[longer[rng.integers(len(longer))]])
            other = begin + len(word) - 1
            yield (text[at + 1], text[other + 1]), Swap(int(at), int(other), len(word))


def _beginnings(text: str) -> tuple[Mapping[str, list[int]], Mapping[str, list[int]]]:
    """Where each word of small letters begins, and where the words begin that start with some letters."""
    words, begun = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for found in WORD.finditer(text):
        word = found.group()
        if word.isalpha() and word.islower():
            words[word].append(found.start())
            for letters in range(1, len(word) + 1):
                begun[word[:letters]].append(found.start())
    return words, begun


def _going_on(begun: Mapping[str, list[int]]) -> Mapping[tuple[int, str], list[str]]:
    """Beginnings of words with the letter that mostly follows, by the number of letters before it and the last of these."""
    found = defaultdict[tuple[int, str], list[str]](list)
    for letters, at in begun.items():
        if len(letters) > 2 and _mostly(at, begun[letters[:-1]]):
            found[len(letters) - 1, letters[-2]].append(letters)
    return found


def _mostly(some: Sequence[int], of: Sequence[int]) -> bool:
    return len(some) >= TIMES and 2 * len(some) > len(of)


def _characters(tokens: Int[Tensor, "pos"], tokenizer: Tokenizer, task: str) -> str:
    """The text of tokens that are a character each. Raises NanoscopeError, naming the task, for longer ones."""
    read = {int(token): tokenizer.decode([int(token)]) for token in tokens.unique()}
    longer = next((piece for piece in read.values() if len(piece) != 1), None)
    if longer is not None:
        raise NanoscopeError(
            f"the task {task} asks about single characters, but this model's tokens are longer, such as {longer!r}; take a "
            "task at a distance, such as distance-1, or a model that reads characters"
        )
    return "".join(read[token] for token in tokens.tolist())
