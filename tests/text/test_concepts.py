"""What each character is, on a line that a person can label, and on the whole corpus."""

import numpy as np
import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.text.concepts import KINDS, concepts, kinds
from nanoscope.text.windows import spread_starts

PLAY = "A Man:\nO, I'll go\n\nBoy Two:\nWhy: 3?\n"


def _marked(where) -> str:
    return "".join(c if hit else "." for c, hit in zip(PLAY.replace("\n", "/"), where, strict=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("speaker name", "A Man..............Boy Two.........."),
        ("line start", "A......O........../B........W......."),
        ("word start", "A.M....O..I....g...B...T....W......."),
        ("letter 2 of a word", "...a.......'....o...o...w....h......"),
        ("word end", "A...n..O.....l..o....y...o....y....."),
        ("empty line", "................../................."),
        ("digit", ".................................3.."),
        ("sentence end", "..................................?."),
    ],
)
def test_concepts_of_a_short_play(name, expected):
    assert _marked(concepts(PLAY)[name]) == expected


def test_each_character_has_one_kind():
    names = [KINDS[kind] for kind in kinds(PLAY)]
    assert names[:8] == [*["speaker name"] * 5, "other", "other", "line start"]
    assert names[8:14] == ["other", "other", "word start", "within word", "within word", "within word"]
    assert len(kinds("")) == 0


def test_the_corpus_has_what_a_play_has(shakespeare):
    of = concepts(shakespeare.text)
    each = np.array(list(shakespeare.text))
    assert np.array_equal(of["vowel"] | of["consonant"], np.char.isalpha(each))
    assert (of["line start"].sum() - 1) == shakespeare.text[:-1].count("\n")
    speakers = {shakespeare.text[i : i + 6] for i in np.flatnonzero(of["speaker name"] & of["line start"])}
    assert {"MENENI", "First ", "ROMEO:"} <= speakers
    inside = of["speaker name"]
    assert "\n" not in each[inside]
    assert ":" not in each[inside]


def test_windows_never_overlap_and_reach_both_ends():
    starts = spread_starts(1000, 64, 400)
    assert [len(starts), starts[0], starts[-1]] == [15, 0, 936]
    assert (starts.diff() >= 64).all()
    with pytest.raises(NanoscopeError, match="too few"):
        spread_starts(10, 64, 5)
