"""Mined tasks: each pair is looked up again in the text, slowly, and n-gram tables see exactly what they should."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.tasks.mined import MINED, after_name, at_distance, mined, word_end
from nanoscope.tasks.task import Task
from nanoscope.text.corpora import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary

DISTANCES = range(1, 6)
PLAY = """ANNA:
how can it be that all of them shall then go on,
for who can say

BEN:
I can not tell what all the men who sing there had

ANNA:
no more of this

CARL:
nor I
"""


def mine(name: str, corpus: Corpus, examples: int = 32) -> Task:
    return MINED[name](corpus.vocabulary.encode(corpus.val), corpus.vocabulary, examples, "test")


def spelled(task: Task, corpus: Corpus) -> list[tuple[str, str, str, str]]:
    """Clean, corrupt, answer and wrong answer of each example as text."""
    parts = (task.clean, task.corrupt, task.answer, task.wrong)
    return [tuple(corpus.vocabulary.decode(row) for row in rows) for rows in zip(*parts, strict=True)]


def preferences(tables: NGrams, order: int, task: Task, tokens: Tensor) -> np.ndarray:
    """Log of the probability of the answer over that of the wrong answer, by a table that sees `order` tokens."""
    last = tables.distribution(tokens.numpy(), slice(-1, None))[order, :, 0]
    right, wrong = (np.take_along_axis(last, side.numpy(), axis=1) for side in (task.answer, task.wrong))
    return np.log(right / wrong)[:, 0]


@pytest.mark.parametrize("distance", DISTANCES)
def test_places_that_differ_at_one_distance_are_found_again_in_the_text(distance: int, shakespeare: Corpus) -> None:
    task, text = mine(f"distance-{distance}", shakespeare), shakespeare.val
    pairs = spelled(task, shakespeare)
    for clean, corrupt, answer, wrong in pairs:
        assert [i for i in range(32) if clean[i] != corrupt[i]] == [31 - distance]
        assert clean + answer in text
        for window, token in ((clean, answer), (corrupt, wrong)):
            following = Counter(re.findall(f"(?={re.escape(window[-6:])}(.))", text[26:], re.DOTALL))
            assert following[token] >= 3
            assert 2 * following[token] > following.total()
    assert len({clean[-6:] for clean, *_ in pairs}) == 32
    assert max(Counter(answers for *_, answers in zip(task.answer, task.wrong, strict=True)).values()) <= 4
    assert (task.answer != task.wrong).all()
    assert (task.positions == 31).all()
    assert task.clean.shape == (32, 32)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_table_that_ends_before_the_distance_sees_no_difference(distance: int, shakespeare: Corpus) -> None:
    task = mine(f"distance-{distance}", shakespeare)
    tables = NGrams.fit(shakespeare.vocabulary.encode(shakespeare.val).numpy(), 65, 7)
    for reach in range(7):
        clean, corrupt = (preferences(tables, reach, task, tokens) for tokens in (task.clean, task.corrupt))
        assert (clean == corrupt).all() == (reach <= distance)
    assert (clean > 0).mean() > 0.9
    assert (corrupt < 0).mean() > 0.9


def planted(distance: int) -> Tensor:
    """Blocks of a key (0 to 7), as many symbols as the distance, which are always the same, and the key's answer (8 to 15)."""
    keys = np.random.default_rng(distance).permutation(np.repeat(np.arange(8), 12))
    between = np.tile(16 + np.arange(distance), (len(keys), 1))
    return torch.from_numpy(np.concatenate([keys[:, None], between, keys[:, None] + 8], axis=1).ravel())


@pytest.mark.parametrize("distance", DISTANCES)
def test_what_one_token_decides_is_found_at_its_distance_and_at_no_other(distance: int) -> None:
    text, start = planted(distance), 30
    task = at_distance(text, distance, 8, start=start, last=distance + 1, length=12)
    assert (task.clean[:, 0] == start).all()
    keys = task.clean[:, -1 - distance]
    assert sorted(keys.tolist()) == list(range(8))
    assert torch.equal(task.answer[:, 0], keys + 8)
    assert torch.equal(task.wrong[:, 0], task.corrupt[:, -1 - distance] + 8)
    with pytest.raises(NanoscopeError, match=f"only 8 of the 9 examples asked for of the task distance-{distance} "):
        at_distance(text, distance, 9, last=distance + 1, length=12)
    for other in set(DISTANCES) - {distance}:
        with pytest.raises(NanoscopeError, match="only 0 of the 1 examples"):
            at_distance(text, other, 1, last=other + 1, length=12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_only_a_table_that_reaches_the_distance_prefers_the_planted_answer(distance: int) -> None:
    text = planted(distance)
    task = at_distance(text, distance, 8, last=distance + 1, length=12)
    tables = NGrams.fit(text.numpy(), 30, distance + 2)
    assert preferences(tables, distance, task, task.clean) == pytest.approx(np.zeros(8), abs=1e-9)
    assert (preferences(tables, distance + 1, task, task.clean) > 1).all()
    assert (preferences(tables, distance + 1, task, task.corrupt) < -1).all()


def test_any_number_of_symbols_gives_the_same_places() -> None:
    """Contexts of 2**32 symbols, of which 64 bits hold two."""
    text = planted(4)
    more = 2**32 - 1 - int(text.max())
    plain, large = (at_distance(text + added, 4, 8, last=5, length=12) for added in (0, more))
    assert torch.equal(plain.clean + more, large.clean)
    assert torch.equal(plain.corrupt + more, large.corrupt)


def ordinary(text: str) -> list[str]:
    """The lines that are neither names nor empty, without their first character."""
    return [line[1:] for line in text.split("\n") if line.upper() != line and not line.endswith(":")]


def test_after_a_name_the_colon_and_after_other_text_what_followed_it(shakespeare: Corpus) -> None:
    lines, names = ordinary(shakespeare.val), Counter[str]()
    for clean, corrupt, answer, wrong in spelled(mine("after-name", shakespeare), shakespeare):
        before, name = clean.rsplit("\n", 1)
        names[name] += 1
        assert answer == ":"
        assert clean + ":" in shakespeare.val
        assert re.fullmatch("[A-Z][A-Z' -]*[A-Z]", name)
        assert corrupt.startswith(before + "\n")
        assert wrong != ":"
        assert any(corrupt[-len(name) :] + wrong in line for line in lines)
    assert max(names.values()) <= 4


def test_after_a_blank_line_a_capital_and_after_other_text_what_followed_it(shakespeare: Corpus) -> None:
    lines, answers = ordinary(shakespeare.val), Counter[str]()
    for clean, corrupt, answer, wrong in spelled(mine("after-blank-line", shakespeare), shakespeare):
        answers[answer] += 1
        assert clean.endswith("\n\n")
        assert clean + answer in shakespeare.val
        assert answer.isupper()
        assert corrupt[:-2] == clean[:-2]
        assert not wrong.isupper()
        assert any(corrupt[-2:] + wrong in line for line in lines)
    assert max(answers.values()) <= 4


def test_a_word_that_ends_and_one_that_goes_on_with_the_same_last_letter(shakespeare: Corpus) -> None:
    text, words = (
        shakespeare.val,
        Counter(re.findall(r"(?<![a-zA-Z'])[a-z]+(?![a-zA-Z']*[A-Z'][a-zA-Z])", shakespeare.val)),
    )
    seen = set[str]()
    for clean, corrupt, answer, wrong in spelled(mine("word-end", shakespeare), shakespeare):
        word = re.findall("[a-z]+", clean)[-1]
        seen.add(word)
        begun = corrupt[-len(word) :]
        assert clean + answer in text
        assert clean.endswith(word)
        assert answer in " ,.;:!?"
        assert corrupt[: -len(word)] == clean[: -len(word)]
        assert begun[-1] == word[-1]
        goes_on = Counter(other[len(word) : len(word) + 1] for other in words.elements() if other.startswith(word))
        assert goes_on.most_common(1)[0][0] == ""
        goes_on = Counter(other[len(word) : len(word) + 1] for other in words.elements() if other.startswith(begun))
        assert goes_on.most_common(1)[0][0] == wrong
        assert goes_on[wrong] >= 3
    assert len(seen) == 32


def test_tables_tell_where_a_word_ends_from_more_than_its_last_letter(shakespeare: Corpus) -> None:
    task = mine("word-end", shakespeare)
    tables = NGrams.fit(shakespeare.vocabulary.encode(shakespeare.train).numpy(), 65, 5)
    clean, corrupt = (
        [preferences(tables, reach, task, tokens) for reach in range(5)] for tokens in (task.clean, task.corrupt)
    )
    assert (clean[1] == corrupt[1]).all()
    assert (clean[4] - corrupt[4] > 0).mean() > 0.9


def test_a_play_worked_by_hand() -> None:
    vocabulary = Vocabulary.of(PLAY)
    tokens = vocabulary.encode(PLAY)
    task = after_name(tokens, vocabulary, 3, "test", length=6)
    ends = {vocabulary.decode(row) for row in task.clean}
    assert ends == {"\n\nANNA"[-6:], "y\n\nBEN", "\n\nCARL"}
    with pytest.raises(
        NanoscopeError, match=r"only 3 of the 4 examples asked for of the task after-name \(at most 1 of a kind"
    ):
        after_name(tokens, vocabulary, 4, "test", length=6)
    with pytest.raises(NanoscopeError, match="only 3 of the 9 examples asked for of the task after-blank-line"):
        MINED["after-blank-line"](tokens, vocabulary, 9, "test")


def test_one_word_ends_and_one_goes_on() -> None:
    """ "to" ends three times and begins no longer word; "so" goes on with m each time."""
    text = " to some, to some to some."
    vocabulary = Vocabulary.of(text)
    tokens = vocabulary.encode(text)
    task = word_end(tokens, vocabulary, 1, length=4)
    clean, corrupt, wrong = (vocabulary.decode(row[0]) for row in (task.clean, task.corrupt, task.wrong))
    assert clean in {", to", "e to"}
    assert corrupt == clean[:-2] + "so"
    assert wrong == "m"


@pytest.mark.parametrize("name", MINED)
def test_the_labels_and_the_text_decide_the_examples_and_bytes_read_the_same(name: str, shakespeare: Corpus) -> None:
    text, vocabulary = shakespeare.val, shakespeare.vocabulary
    one, again = (mine(name, shakespeare, 8) for _ in range(2))
    other = MINED[name](vocabulary.encode(text), vocabulary, 8, "another")
    assert torch.equal(one.clean, again.clean)
    assert torch.equal(one.corrupt, again.corrupt)
    assert not torch.equal(one.clean, other.clean)
    read = Bytes(started=True)
    started = MINED[name](read.encode(text), read, 8, "test", length=33)
    assert (started.clean[:, 0] == 256).all()
    assert [read.decode(row[1:]) for row in started.corrupt] == [vocabulary.decode(row) for row in one.corrupt]


@pytest.mark.parametrize("name", MINED)
@pytest.mark.parametrize("length", [0, 20, 33])
def test_a_text_without_the_place_is_refused_by_the_name_of_the_task(name: str, length: int) -> None:
    vocabulary = Vocabulary.of("ab")
    with pytest.raises(NanoscopeError, match=f"only 0 of the 5 examples asked for of the task {name} "):
        MINED[name](vocabulary.encode("ab" * length)[:length], vocabulary, 5)


@pytest.mark.parametrize("name", ["after-name", "after-blank-line", "word-end"])
def test_tokens_longer_than_a_character_are_refused_where_the_task_needs_characters(name: str) -> None:
    words = Vocabulary(("cat", "sat", "the"))
    with pytest.raises(NanoscopeError, match=f"the task {name} asks about single characters, but .* such as 'cat'"):
        MINED[name](torch.tensor([0, 1, 2] * 20), words, 1)


def test_what_is_asked_for_in_vain_is_refused_in_one_line() -> None:
    text = planted(1)
    with pytest.raises(NanoscopeError, match="give a distance of 0 to 5, and a length of at least 7"):
        at_distance(text, 2, 1, start=30, length=6)
    with pytest.raises(NanoscopeError, match="needs at least one example, not 0"):
        at_distance(text, 1, 0)
    with pytest.raises(NanoscopeError, match=r"there is no task 'distance-9'; the tasks are distance-1, .*, word-end"):
        mined("distance-9")
    assert mined("word-end") is MINED["word-end"]
