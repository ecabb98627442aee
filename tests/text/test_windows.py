"""Windows: one file owns the start symbol; how they are cut against a loop, with and without it."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import nanoscope
from nanoscope.text.passages import passages, windows_to_fit
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import (
    batches,
    first_speech,
    in_batches,
    lead,
    room,
    spread_starts,
    spread_windows,
    start_symbol,
    started,
    windows,
)

TEXT = "ROMEO:\nNo more, no more.\n\nJULIET:\nWhat then? " * 40
TOKENS = torch.arange(len(TEXT)) % 61
STARTS = pytest.mark.parametrize("start", [None, 0, 61])


def test_only_the_windows_ask_whether_there_is_a_start_symbol() -> None:
    package = Path(nanoscope.__file__).parent
    asks = re.compile(r"\bstart is (not )?None|\bstart or 0\b")
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if asks.search(path.read_text())}
    assert found == {"text/windows.py"}


@STARTS
def test_a_start_symbol_takes_one_position_whatever_its_id(start: int | None) -> None:
    assert (lead(start), room(32, start), len(start_symbol(start))) == ((0, 32, 0) if start is None else (1, 31, 1))
    assert start_symbol(start).dtype == np.int64


@STARTS
def test_a_text_is_started_row_by_row(start: int | None) -> None:
    rows = TOKENS[:24].reshape(2, 3, 4)
    slow = [[([] if start is None else [start]) + row for row in part] for part in rows.tolist()]
    assert started(rows, start).tolist() == slow
    assert started(rows[0, 0, :0], start).tolist() == start_symbol(start).tolist()


@STARTS
def test_every_maker_of_windows_cuts_as_a_loop_does(start: int | None) -> None:
    head = [] if start is None else [start]
    context, text = 32, TOKENS.tolist()
    size = context - len(head)

    laid = windows(TOKENS, context, 10 * size, start)
    begins = spread_starts(len(TOKENS) - 1, size, 10).tolist()
    assert laid.tokens.tolist() == [head + text[at : at + size] for at in begins]
    assert laid.places.tolist() == [list(range(at, at + size)) for at in begins]

    each = np.arange(len(TEXT))
    read = TokenizedText(
        TEXT, TOKENS, np.stack([each, each + 1], axis=1), Vocabulary(tuple(map(chr, range(62))), start)
    )
    found = passages(read, context, 7)
    begins = spread_starts(len(TOKENS), size + 1, 7).tolist()
    assert found.text.tolist() == [text[at : at + size + 1] for at in begins]
    assert found.tokens.tolist() == [head + text[at : at + size] for at in begins]
    assert found.lead == laid.lead == len(head)
    assert torch.equal(found.read(found.tokens), found.current)

    fitted, held = windows_to_fit(TOKENS, context, 8, 2, start)
    begins = spread_starts(len(TOKENS), size, 10).tolist()
    each = [head + text[at : at + size] for at in begins]
    assert held.tolist() == [row for i, row in enumerate(each) if i % 5 == 1]
    assert fitted.tolist() == [row for i, row in enumerate(each) if i % 5 != 1]


def test_windows_lie_apart() -> None:
    starts = spread_starts(len(TOKENS), 50, 1000)
    assert (starts.diff() >= 50).all()
    assert (starts[0], starts[-1]) == (0, len(TOKENS) - 50)
    assert spread_windows(TOKENS, 50, 1000).shape == (len(TOKENS) // 50, 50)


@pytest.mark.parametrize(("text", "at"), [("A:\nb\n\nC:\nd", 6), ("no empty line", 0), ("\n\n", 2), ("", 0)])
def test_a_first_speech_follows_the_first_empty_line(text: str, at: int) -> None:
    assert first_speech(text) == at


@pytest.mark.parametrize(("count", "size"), [(10, 3), (9, 3), (2, 5), (0, 4)])
def test_batches_are_everything_in_order(count: int, size: int) -> None:
    parts = [list(range(count))[some] for some in batches(count, size)]
    assert [one for part in parts for one in part] == list(range(count))
    assert all(0 < len(part) <= size for part in parts)
    assert {len(part) for part in parts[:-1]} <= {size}


def test_what_batches_give_is_put_together_along_an_axis() -> None:
    found = in_batches(TOKENS, 7, lambda some: np.stack([some.numpy(), -some.numpy()]), axis=1)
    assert np.array_equal(found, np.stack([TOKENS.numpy(), -TOKENS.numpy()]))
