"""Tokenizers: bytes and tables of words beside characters; offsets, and what is known of characters carried to tokens."""

import numpy as np
import pytest
import torch

from nanoscope.analysis.attention import classes
from nanoscope.errors import NanoscopeError
from nanoscope.tasks.task import pair
from nanoscope.text.concepts import KINDS, kinds
from nanoscope.text.passages import NAMES, passages
from nanoscope.text.tokenizer import Bytes, Tokenizer, from_json, spelled, tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import windows_at

TEXT = "ÉLUARD:\nLe café 😀 — où?\n\n" * 20
WORDS = Vocabulary((*sorted(set(TEXT)), "Le ", "Le café", "UAR", "\n\n", "<start>"), start=len(set(TEXT)) + 4)
EVERY = {"characters": Vocabulary.of(TEXT), "bytes": Bytes(), "bytes, started": Bytes(started=True), "words": WORDS}
ALL = pytest.mark.parametrize("tokenizer", EVERY.values(), ids=EVERY)


@ALL
def test_a_text_goes_there_and_back_and_its_offsets_cover_it(tokenizer: Tokenizer) -> None:
    read = tokenized(TEXT, tokenizer)
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.decode(read.tokens) == TEXT
    assert from_json(tokenizer.to_json()) == tokenizer
    assert (read.offsets[:, 0] < read.offsets[:, 1]).all()
    covered = np.zeros(len(TEXT), dtype=bool)
    for begin, end in read.offsets:
        covered[begin:end] = True
    assert covered.all()
    names = tokenizer.names(len(tokenizer) + 2)
    assert len(set(names)) == len(names) == len(tokenizer) + 2


@ALL
def test_the_token_at_a_character_is_one_that_covers_it(tokenizer: Tokenizer) -> None:
    read = tokenized(TEXT, tokenizer)
    at = read.token_at(np.arange(len(TEXT)))
    begin, end = read.offsets[at].T
    assert ((begin <= np.arange(len(TEXT))) & (np.arange(len(TEXT)) < end)).all()
    assert read.token_at(np.array([-1])) == [-1]


def test_each_byte_covers_its_character() -> None:
    assert Bytes().offsets("aé😀").tolist() == [[0, 1], [1, 2], [1, 2], [2, 3], [2, 3], [2, 3], [2, 3]]
    assert Bytes().encode("aé").tolist() == [0x61, 0xC3, 0xA9]
    assert Bytes(started=True).decode([0x61, 256, 0xC3]) == "a\ufffd\ufffd"


def test_the_longest_symbol_that_fits_comes_first() -> None:
    table = Vocabulary(("a", "b", "ab", "abab", "<s>"), start=4)
    assert table.encode("ababab").tolist() == [3, 2]
    assert table.offsets("baab").tolist() == [[0, 1], [1, 2], [2, 4]]
    with pytest.raises(NanoscopeError, match=r"character '<' \(U\+003C\) at position 2 "):
        table.encode("ab<s>")


def test_tokens_that_come_from_no_text_are_spelled_one_by_one() -> None:
    read = spelled(torch.tensor([0xC3, 0x61, 256]), Bytes(started=True))
    assert (read.text, read.offsets.tolist()) == ("\ufffda\ufffd", [[0, 1], [1, 2], [2, 3]])


@ALL
def test_a_token_is_of_the_kind_of_its_last_character(tokenizer: Tokenizer) -> None:
    read = tokenized(TEXT, tokenizer)
    found = passages(read, 24, 6)
    for window, (begin, row) in enumerate(zip(found.begins, found.targets, strict=True)):
        for place, token in enumerate(row.tolist()):
            assert token == read.tokens[begin + place + 1]
            kind = KINDS[kinds(TEXT)[read.offsets[begin + place + 1, 1] - 1]]
            assert found.members[NAMES.index(kind), window, place]


def test_keys_of_bytes_and_words_are_those_of_their_last_characters() -> None:
    for tokenizer in (Bytes(started=True), WORDS):
        read = tokenized(TEXT, tokenizer)
        keys = classes.token_targets(read, windows_at(read.tokens, torch.tensor([3]), 30, read.start)).keys[:, 0]
        newline, same = (keys[classes.TOKENS.index(name)] for name in ("newline", "same character"))
        assert not keys[:, :, 0].any()
        for query, key in np.ndindex(30, 30):
            ends = TEXT[read.offsets[3 + key, 1] - 1]
            assert newline[1 + query, 1 + key] == (key < query and ends == "\n")
            assert same[1 + query, 1 + key] == (key < query and bool(read.tokens[3 + key] == read.tokens[3 + query]))


def test_a_pair_without_answers_ends_in_them_by_tokens() -> None:
    task = pair(WORDS, "où Le café", "où Le ")
    assert (task.clean.shape, WORDS.decode(task.answer[0]), WORDS.decode(task.wrong[0])) == ((1, 4), "Le café", "Le ")
    assert (int(task.clean[0, 0]), WORDS.decode(task.clean[0, 1:])) == (WORDS.start, "où ")
