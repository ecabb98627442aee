"""Texts as a model can read them: cut to the last window, with plain line ends, and of the model's own symbols."""

from pathlib import Path

import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import Bytes, Tokenizer
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views.given_text import measured_on, prompt, prompt_pair, require_readable

TEXT = "abcdefgh ijé\n\t" * 4
CHARACTERS = Vocabulary.of(TEXT)
TOKENIZERS = {
    "characters": CHARACTERS,
    "bytes": Bytes(),
    "started": Bytes(started=True),
    "pieces": Vocabulary((*CHARACTERS.symbols, "abc", "fgh ", "<s>"), start=len(CHARACTERS) + 2),
    "words": Vocabulary(("abcdefgh", "ijé")),
}
CONTEXT = 24


def checkpoint(tokenizer: Tokenizer, **more) -> Checkpoint:
    return Checkpoint(random_model(vocab_size=len(tokenizer)), tokenizer, **more)


def refusal(call) -> str:
    with pytest.raises(NanoscopeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
@pytest.mark.parametrize("repeats", [1, 3])
def test_what_is_left_of_a_long_text_is_its_last_window(tokenizer: Tokenizer, repeats: int):
    text = TEXT * repeats
    read = prompt(checkpoint(tokenizer), text)
    room = CONTEXT - (tokenizer.start is not None)
    whole, kept = tokenizer.encode(text), tokenizer.encode(read.text)
    assert text.endswith(read.text)
    assert torch.equal(whole[len(whole) - len(kept) :], kept)
    assert room - 1 <= len(kept) <= room or read.text == text
    assert bool(read.note) == (read.text != text)


def test_a_text_that_fits_is_left_alone_and_one_more_is_cut():
    fitting = prompt(checkpoint(CHARACTERS), TEXT[:CONTEXT])
    assert (fitting.text, fitting.note) == (TEXT[:CONTEXT], "")
    longer = prompt(checkpoint(CHARACTERS), TEXT[: CONTEXT + 1])
    assert longer.text == TEXT[1 : CONTEXT + 1]
    assert "its last 24 of 25 characters are read" in longer.note
    assert prompt(checkpoint(CHARACTERS), TEXT[: CONTEXT + 1], more=1).note == ""


def test_line_ends_of_a_prompt_are_plain_unless_the_model_was_trained_on_others():
    read = prompt(checkpoint(CHARACTERS), "\ufeffab\r\nc")
    assert read.text == "ab\nc"
    assert "line ends" in read.note
    kept = prompt(checkpoint(Vocabulary.of("abc\r\n")), "ab\r\nc")
    assert (kept.text, kept.note) == ("ab\r\nc", "")


def test_a_pair_is_cut_alike_and_must_still_differ():
    model = checkpoint(CHARACTERS)
    clean, corrupt = prompt_pair(model, "a" * 30 + "bc", "a" * 30 + "de", more=1)
    assert (clean.text, corrupt.text) == ("a" * 23 + "bc", "a" * 23 + "de")
    assert "differ only before the last 24" in refusal(lambda: prompt_pair(model, "b" + "a" * 30, "c" + "a" * 30))
    assert "same number of tokens, not 31 and 32" in refusal(lambda: prompt_pair(model, "a" * 31, "a" * 32))


def test_a_model_of_another_text_is_told_to_give_it_and_not_blamed_for_a_character(tmp_path: Path):
    shakespeare, model = Corpus("tiny-shakespeare", "To be, or not\n"), checkpoint(Vocabulary.of("to be\n"))
    said = refusal(lambda: require_readable(model, tmp_path / "ckpt.pt", shakespeare, given=False))
    assert said == (
        "this model's 6 symbols are not tiny Shakespeare's (it lacks ',', 'T', 'n' and 1 more); give its text with "
        "--data FILE"
    )
    require_readable(model, tmp_path, Corpus("mine", "to be\n"), given=False)


def test_a_text_that_was_given_is_named_with_the_line(tmp_path: Path):
    given = Corpus("mine", "to\nbe\nor ö\n")
    said = refusal(lambda: require_readable(checkpoint(Vocabulary.of("tobe r\n")), tmp_path, given, given=True))
    assert said.startswith("character 'ö' (U+00F6) on line 3 of mine is not among the model's 7 symbols; give the text")


def test_words_that_are_unknown_are_named_as_words(tmp_path: Path):
    words = checkpoint(Vocabulary(("to", "be", "or")))
    said = refusal(lambda: require_readable(words, tmp_path, Corpus("s", "to be or not"), given=False))
    assert "3 words are not tiny Shakespeare's (it lacks 'not')" in said


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        (None, ""),
        ("tiny-shakespeare", ""),
        ("shakespeare_char", ""),
        ("wikitext-2", "give its text with --data wiki"),
        ("letters", "measured on tiny-shakespeare, though the model is of letters; give its text with --data FILE"),
    ],
)
def test_a_model_whose_alphabet_merely_covers_the_text_is_said_to_be_of_another(
    tmp_path: Path, trained: str | None, said: str
):
    corpus, model = Corpus("tiny-shakespeare", "a"), checkpoint(CHARACTERS, corpus=trained)
    note = measured_on(model, tmp_path / "ckpt.pt", corpus)
    assert note == said if not said else said in note


def test_the_text_that_lies_in_nanogpts_data_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data" / "letters" / "input.txt"
    place.parent.mkdir(parents=True)
    place.write_text("a")
    note = measured_on(checkpoint(CHARACTERS, corpus="letters"), Path("out/ckpt.pt"), Corpus("tiny-shakespeare", "a"))
    assert note.endswith("--data data/letters/input.txt")
