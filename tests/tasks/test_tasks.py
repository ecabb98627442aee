"""Tasks: what makes an answer knowable, and nothing else, differs between clean and corrupt."""

import numpy as np
import pytest
import torch
from reference import longest_match

from nanoscope.errors import NanoscopeError
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.task import Task, pair
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import Bytes

SYMBOLS = torch.arange(56)


@pytest.mark.parametrize("length", [17, 41])
def test_the_paired_design(length: int) -> None:
    task = synthetic.copy_task(SYMBOLS, length, 20, "test", prefix=5, start=60)
    first = 6
    assert task.first_difference == first
    assert repr(task) == (
        f"Task(20 examples of {6 + 2 * length} tokens, {length - 1} read in each; clean and corrupt differ from position 6 on)"
    )
    assert (task.clean[:, 0] == 60).all()
    clean, corrupt = task.clean.numpy(), task.corrupt.numpy()
    block, copy = clean[:, first : first + length], clean[:, first + length :]
    assert (block == copy).all()
    assert (corrupt[:, first + length :] == copy).all()
    assert (corrupt[:, first : first + length] != block).all()
    for row, (a, b) in enumerate(zip(clean, corrupt, strict=True)):
        assert len(set(block[row])) == length
        assert not set(a[1:first]) & set(block[row])
        reads = task.positions[row].numpy()
        assert (a[reads[:-1] + 1] == task.answer[row, :-1].numpy()).all()
        assert (a[reads - length + 1] == task.answer[row].numpy()).all()
        if length == 17:
            assert not set(b[first : first + length]) & set(block[row])
            assert not set(task.wrong[row].tolist()) & (set(a) | set(b))


def test_shuffled_blocks_keep_their_symbols() -> None:
    task = synthetic.copy_task(SYMBOLS, 17, 10, "test")
    other = synthetic.shuffled(task, 17, "test")
    assert torch.equal(other.corrupt[:, 4:21].sort(1).values, task.clean[:, 4:21].sort(1).values)
    assert (other.corrupt != other.clean).any()
    inside = task.positions - 17 + 1
    assert torch.equal(other.wrong, other.corrupt.gather(1, inside))


def test_a_pair_begins_with_the_start_symbol_of_a_model_that_needs_one() -> None:
    plain, started = (Bytes(one) for one in (False, True))
    without, task = (pair(one, "the cat", "the dog", "s", "g") for one in (plain, started))
    for one, other in ((task.clean, without.clean), (task.corrupt, without.corrupt)):
        assert one[0].tolist() == [started.start, *other[0].tolist()]
    assert task.positions.tolist() == [[7]]
    assert task.clean[0, 7] == ord("t")
    assert (task.answer.tolist(), task.wrong.tolist()) == ([[ord("s")]], [[ord("g")]])
    last = pair(started, "the cat", "the dog")  # the last symbols are compared, and not read
    assert (last.clean[0].tolist()[1:], last.positions.tolist()) == (list(b"the ca"), [[6]])


@pytest.mark.parametrize("suffix", [1, 2, 3])
def test_a_suffix_lookup_is_decided_by_the_whole_suffix_only(suffix: int) -> None:
    """The rule "what followed the last k symbols" is right with k = suffix, and blind with k = suffix - 1."""
    task = synthetic.suffix_lookup(SYMBOLS, suffix, 40, 200, "test")

    def followers(row: np.ndarray, k: int) -> list[int]:
        tail = row[-k:] if k else row[:0]
        return [int(row[i + k]) for i in range(len(row) - k) if (row[i : i + k] == tail).all() and i + k < len(row)]

    for clean, corrupt, answer, wrong in zip(task.clean, task.corrupt, task.answer, task.wrong, strict=True):
        assert followers(clean.numpy(), suffix) == [int(answer)]
        assert followers(corrupt.numpy(), suffix) == [int(wrong)]
        if suffix > 1:
            assert set(followers(clean.numpy(), suffix - 1)) == {int(answer), int(wrong)}
        assert sorted(clean) == sorted(corrupt)


def test_repeats_repeat() -> None:
    sequences = synthetic.repeated_sequences(SYMBOLS, 17, 64, 30, None, "test")
    for row, first in zip(sequences.tokens.numpy(), sequences.first.numpy(), strict=True):
        copies = row[first : first + 17 * sequences.copies].reshape(sequences.copies, 17)
        assert (copies == copies[0]).all()
        assert len(set(copies[0])) == 17
        assert not set(row[:first]) & set(copies[0])
    assert sequences.first.unique().numel() > 5
    assert sequences.copies == 2


def test_streams_are_named_not_shared() -> None:
    one, two = (synthetic.copy_task(SYMBOLS, 17, 5, label).clean for label in ("a", "b"))
    assert not torch.equal(one, two)
    assert torch.equal(one, synthetic.copy_task(SYMBOLS, 17, 5, "a").clean)


def test_the_longest_match_is_found_in_a_text_worked_by_hand() -> None:
    text = torch.tensor([1, 2, 3, 9, 1, 2, 3, 4, 2, 3])
    lengths, following = longest_match(text)
    assert lengths.tolist() == [0, 0, 0, 0, 1, 2, 3, 0, 1, 2]
    assert following.tolist() == [-1, -1, -1, -1, 2, 3, 9, -1, 3, 4]


def test_natural_match_lengths_are_as_frequent_as_in_the_specification(shakespeare: Corpus) -> None:
    """A match of 4 or more at 6.5 % of positions of windows of 128, of 6 or more at 2.4 %."""
    _, val = shakespeare.split(shakespeare.vocabulary)
    matches = [longest_match(val[i : i + 128])[0][32:] for i in range(0, 108_000, 1200)]
    share = [float((np.concatenate(matches) >= k).mean()) for k in (1, 2, 4, 6)]
    assert share == pytest.approx([0.847, 0.344, 0.065, 0.024], abs=0.025)


def test_a_users_pair_is_read_at_its_end(shakespeare: Corpus) -> None:
    vocabulary = shakespeare.vocabulary
    task = pair(vocabulary, "To be or not", "To sa or now")
    assert vocabulary.decode(task.answer[0]) == "t"
    assert vocabulary.decode(task.wrong[0]) == "w"
    assert task.first_difference == 3
    with pytest.raises(NanoscopeError, match="same number of tokens"):
        pair(vocabulary, "To be", "To be or")
    with pytest.raises(NanoscopeError, match="not among the model's 65 symbols"):
        pair(vocabulary, "Tö be", "To be")
    with pytest.raises(NanoscopeError, match="are both 'e'; give two, or texts that end differently"):
        pair(vocabulary, "To be", "So be")


def test_lengths_fit_the_context() -> None:
    assert synthetic.lengths_that_fit(64, 56) == (17, 23, 29)
    assert synthetic.lengths_that_fit(128, 56) == (17, 23, 29, 37, 41, 53)
    assert synthetic.lengths_that_fit(32, 20) == (5, 7, 11)
    assert synthetic.lengths_that_fit(44, 56) == (5, 7, 11, 17)
    assert synthetic.lengths_that_fit(12, 56) == (5,)
    with pytest.raises(NanoscopeError, match="too small"):
        synthetic.lengths_that_fit(11, 3)


def test_metrics_of_logits_worked_by_hand() -> None:
    logits = torch.tensor([[[0.0, 2.0, 1.0]], [[3.0, 0.0, 0.0]]])
    ones = torch.ones(2, 1, dtype=torch.long)
    task = Task(ones, ones, answer=ones, wrong=ones + 1, positions=ones * 0)
    assert metrics.logit_diff(logits, task).tolist() == [1.0, 0.0]
    assert metrics.accuracy(logits, task).tolist() == [1.0, 0.0]
    e = np.e
    assert metrics.prob(logits, task)[0].item() == pytest.approx(e**2 / (1 + e + e**2))
    assert metrics.loss(logits, task)[1].item() == pytest.approx(np.log(e**3 + 2))
    uniform = torch.zeros_like(logits)
    p = np.exp([0, 2, 1]) / np.exp([0, 2, 1]).sum()
    expected = (p * np.log(p * 3)).sum()
    assert metrics.kl(logits)(uniform, task)[0].item() == pytest.approx(expected, rel=1e-5)
    assert metrics.kl(logits)(logits, task).tolist() == [0.0, 0.0]
    assert metrics.normalised(3.0, clean=5.0, corrupt=1.0) == 0.5


def test_an_alphabet_holds_only_symbols_that_occur() -> None:
    """Even in a text too short for the usual minimum, and with rows of the embedding that are padding."""
    text = torch.arange(27).repeat(40)
    assert synthetic.alphabet(text, 300).tolist() == list(range(27))
    with pytest.raises(NanoscopeError, match="only 5 symbols occur often enough"):
        synthetic.alphabet(torch.arange(5).repeat(1000), 65)


def test_two_bytes_that_are_no_characters_are_two_answers() -> None:
    """The last bytes of é and è differ, though neither decodes to a character."""
    task = pair(Bytes(), "é", "è")
    assert (task.answer.item(), task.wrong.item()) == (0xA9, 0xA8)
    with pytest.raises(NanoscopeError, match="both 'a'"):
        pair(Bytes(), "ba", "ca")
