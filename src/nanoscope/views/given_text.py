"""Texts as a model can read them: the corpus it is measured on, and prompts of the user's own."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.checkpoints.formats.vocabulary_search import dataset_files
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.tasks import metrics
from nanoscope.text.corpora import data_option
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.plain_text import plain_text
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import lead, room, started

NAMED = ("code", "wiki")
FEWEST_JUDGED, BEGINNING, MARGIN = 16, 2000, 0.2
"""Tokens that a text must have for its loss to be judged; characters of a long text that are judged; and nats: an untrained
model is a little worse than a guess."""
SHOWN = 3
"""Unknown symbols that a message names."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model reads it, and what was done to it: "" if nothing."""

    text: str
    note: str = ""


def prompt(checkpoint: Checkpoint, text: str, more: int = 0) -> Prompt:
    """A user's text with plain line ends, cut to its last window if it is longer than the model's context.

    `more` tokens may exceed the context, such as an answer that is not read.
    """
    tokenizer = checkpoint.known_vocabulary
    keeps = isinstance(tokenizer, Vocabulary) and "\r" in tokenizer.ids  # trained on such line ends
    plain, changed = (text, "") if keeps else plain_text(text)
    begin = _last_window(tokenizer, plain, room(checkpoint.model.config.block_size, tokenizer.start) + more)
    notes = [f"in the text {changed}"] if changed else []
    if begin:
        notes.append(
            f"the text is longer than the model's context of {checkpoint.model.config.block_size}; "
            f"its last {len(plain) - begin} of {len(plain)} characters are read"
        )
    return Prompt(plain[begin:], "; ".join(notes))


def prompt_pair(checkpoint: Checkpoint, clean: str, corrupt: str, more: int = 0) -> tuple[Prompt, Prompt]:
    """Two prompts as `prompt` reads each, with as many tokens before they are cut; NanoscopeError if nothing that differs
    is left of them."""
    sizes = [len(checkpoint.encode(plain_text(text)[0])) for text in (clean, corrupt)]
    if sizes[0] != sizes[1]:
        raise NanoscopeError(
            f"clean and corrupt must have the same number of tokens, not {sizes[0]} and {sizes[1]}; make the two texts "
            "equally long"
        )
    read = prompt(checkpoint, clean, more), prompt(checkpoint, corrupt, more)
    if clean != corrupt and read[0].text == read[1].text:
        raise NanoscopeError(
            f"the two texts differ only before the last {len(read[0].text)} characters, which is all that the model can "
            "see; give texts that differ later"
        )
    return read


def _last_window(tokenizer: Tokenizer, text: str, most: int) -> int:
    """Where the last `most` tokens of a text begin; between two characters."""
    offsets = tokenizer.offsets(text)
    if len(offsets) <= most:
        return 0
    first = len(offsets) - most
    before, begin = offsets[first - 1], offsets[first]
    return int(begin[1] if begin[0] == before[0] else begin[0])  # a token that shares its character with the one before


def require_readable(checkpoint: Checkpoint, path: Path, corpus: Corpus, given: bool) -> None:
    """NanoscopeError if the model does not know every symbol of the corpus. It says what to do where no text was `given`."""
    vocabulary = checkpoint.known_vocabulary
    unknown = _unknown(corpus.text, vocabulary) if isinstance(vocabulary, Vocabulary) else ()
    if not unknown:
        return
    kind = "words" if isinstance(vocabulary, Vocabulary) and vocabulary.kind == "words" else "symbols"
    more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    lacks = ", ".join(map(repr, unknown[:SHOWN])) + more
    if not given:
        raise NanoscopeError(
            f"this model's {len(vocabulary)} {kind} are not tiny Shakespeare's (it lacks {lacks}); "
            f"{_own_text(checkpoint, path)}"
        )
    name = f"character {unknown[0]!r} (U+{ord(unknown[0]):04X})" if len(unknown[0]) == 1 else f"{unknown[0]!r}"
    line = corpus.text[: corpus.text.find(unknown[0])].count("\n") + 1
    raise NanoscopeError(
        f"{name} on line {line} of {corpus.name} is not among the model's {len(vocabulary)} {kind}{more}; "
        "give the text that it was trained on with --data"
    )


def measured_on(checkpoint: Checkpoint, path: Path, corpus: Corpus) -> str:
    """What a model of another text is measured on, where the user named no text; "" if the model is of this text."""
    trained = checkpoint.corpus
    if not trained or trained == corpus.name or "shakespeare" in trained.lower():
        return ""
    return f"measured on {corpus.name}, though the model is of {trained}; {_own_text(checkpoint, path)}"


def doubt(checkpoint: Checkpoint, text: str, name: str) -> str:
    """A note if the model predicts a text worse than a guess among all its symbols would: then the vocabulary or the text is
    another model's. "" if not, or if the text is too short to tell."""
    start, config = checkpoint.known_vocabulary.start, checkpoint.model.config
    tokens = checkpoint.encode(_beginning(text))[: room(config.block_size, start) + 1]
    if len(tokens) < FEWEST_JUDGED:
        return ""
    logits = run(checkpoint.model, started(tokens[:-1], start)[None]).logits[0, lead(start) :]
    loss, guess = (
        float(-metrics.chosen(metrics.log_probs(logits.float()), tokens[1:]).mean()),
        math.log(config.vocab_size),
    )
    if loss <= guess + MARGIN:
        return ""
    return (
        f"the model's loss on {name} is {loss:.1f} nats, more than a guess among its {config.vocab_size:,} symbols would cost "
        f"({guess:.1f}): is the vocabulary its own, and the text of its kind?"
    )


def _beginning(text: str) -> str:
    """The first lines, or words, of a long text."""
    some = text[:BEGINNING]
    ends = len(some) if len(some) == len(text) else max(some.rfind("\n"), some.rfind(" ")) + 1
    return some[: ends or len(some)]


def _own_text(checkpoint: Checkpoint, path: Path) -> str:
    """How to give a model's own text: by its name, or as the `input.txt` of nanoGPT's data set where that lies nearby."""
    name = data_option(checkpoint.corpus or "")
    places = dataset_files(path, checkpoint.corpus, "input.txt")
    place = next((os.path.relpath(place) for place in places if place.is_file()), None)
    return f"give its text with --data {name if name in NAMED else place or 'FILE'}"


def _unknown(text: str, vocabulary: Vocabulary) -> Sequence[str]:
    """The characters of a text, or its words, that a vocabulary lacks; sorted."""
    if vocabulary.kind != "words":
        return sorted(set(text) - {character for symbol in vocabulary.symbols for character in symbol})
    return sorted(word for word in set(text.split()) if not _readable(word, vocabulary))


def _readable(word: str, vocabulary: Vocabulary) -> bool:
    return all(word[begin:end] in vocabulary.ids for begin, end in vocabulary.offsets(word))
