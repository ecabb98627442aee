"""The dose of copying: the share of the control's windows whose second span is a copy, and what is the same at every dose."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for
from nanoscope.studies.recipes import ECHO_CONTROL
from nanoscope.text.corpora import Corpus
from nanoscope.training.batches import ECHO_SPAN, EchoBatches, TextBatches, echo
from nanoscope.training.loop import make_batches

CONTEXT, SYMBOLS = 64, 65


@pytest.fixture(scope="module")
def text(shakespeare: Corpus) -> TextBatches:
    return TextBatches(shakespeare.split(shakespeare.vocabulary)[0], CONTEXT)


def _drawn(text: TextBatches, copied: float, size: int) -> Tensor:
    return EchoBatches(text, SYMBOLS, copied).draw("train", 1, 0, 0, size=size)


def _places(text: TextBatches, size: int) -> list[slice]:
    """Where the second span of each window is, by the draws of the control."""
    generator = torch.Generator().manual_seed(seed_for("echo", "train", 1, 0, 0))
    return [echo(window, SYMBOLS, generator) for window in text.draw("train", 1, 0, 0, size=size)]


def test_the_whole_dose_is_the_control_bit_for_bit(text: TextBatches) -> None:
    """The checksum of the batches that the published controls were trained on, as they were drawn before there were doses."""
    control, stream = EchoBatches(text, SYMBOLS), hashlib.sha256()
    for iteration in range(20):
        stream.update(control.draw("train", 1, iteration, 0, size=32).numpy().astype("<i8").tobytes())
    assert stream.hexdigest() == "1ae2e53a3c78389c424ede72b29e93faea0f8f70d640a8ae81f5722d9a320600"


def test_only_second_spans_depend_on_the_dose_and_copies_of_a_small_dose_are_copies_of_every_larger(text) -> None:
    all_copied, places = _drawn(text, 1.0, 4000), _places(text, 4000)
    elsewhere = torch.ones_like(all_copied, dtype=torch.bool)
    for row, second in enumerate(places):
        elsewhere[row, second] = False
    before = torch.zeros(len(all_copied), dtype=torch.bool)
    for dose in (0.0, 0.1, 0.5, 0.9, 1.0):
        windows = _drawn(text, dose, 4000)
        assert torch.equal(windows[elsewhere], all_copied[elsewhere])
        copied = (windows == all_copied).all(1)
        assert abs(float(copied.double().mean()) - dose) <= 4 * (dose * (1 - dose) / len(copied)) ** 0.5
        assert (copied >= before).all()
        before = copied


def test_spans_that_are_no_copies_are_uniform_and_independent_of_the_first(text: TextBatches) -> None:
    """Their symbols equal those of the first span as often as any two symbols, at every place of the span."""
    windows, copies = _drawn(text, 0.0, 4000), _drawn(text, 1.0, 4000)
    places = _places(text, 4000)
    pairs = [(windows[row, p], copies[row, p]) for row, p in enumerate(places)]
    own, first = (torch.cat(side) for side in zip(*pairs, strict=True))
    chance = 1 / SYMBOLS
    assert abs(float((own == first).double().mean()) - chance) < 4 * (chance / len(own)) ** 0.5
    counts = np.bincount(own.numpy(), minlength=SYMBOLS)
    expected = len(own) / SYMBOLS
    assert ((counts - expected) ** 2 / expected).sum() < 110, "chi square of 64 degrees of freedom: 1 in 3,000"
    begins = torch.stack([own[0] == first[0] for own, first in pairs]).double().mean()
    assert abs(float(begins) - chance) < 4 * (chance / len(pairs)) ** 0.5


def test_a_table_of_n_grams_cannot_tell_the_doses_apart(text: TextBatches) -> None:
    """Pairs of neighbouring symbols are as frequent without copies as with nothing but copies."""

    def pairs(windows: Tensor) -> np.ndarray:
        codes = (windows[:, :-1] * SYMBOLS + windows[:, 1:]).flatten().numpy()
        return np.bincount(codes, minlength=SYMBOLS**2) / len(codes)

    none, all_copied = pairs(_drawn(text, 0.0, 4000)), pairs(_drawn(text, 1.0, 4000))
    again = pairs(EchoBatches(text, SYMBOLS, 1.0).draw("another", size=4000))
    assert np.abs(none - all_copied).sum() < np.abs(again - all_copied).sum()


def test_a_recipe_is_stored_as_before_unless_its_dose_is_another() -> None:
    assert "copied" not in ECHO_CONTROL.stored()
    assert replace(ECHO_CONTROL, copied=0.3).stored() == {**ECHO_CONTROL.stored(), "copied": 0.3}


def test_a_recipe_trains_on_its_dose(shakespeare: Corpus) -> None:
    tokens = shakespeare.split(shakespeare.vocabulary)[0]
    batches = make_batches(replace(ECHO_CONTROL, copied=0.3), tokens, SYMBOLS)
    assert isinstance(batches, EchoBatches)
    assert batches.copied == 0.3
    assert ECHO_SPAN[1] >= (CONTEXT + 1) // 2


@pytest.mark.parametrize("copied", [-0.1, 1.1, float("nan")])
def test_a_dose_is_a_share(copied: float) -> None:
    with pytest.raises(NanoscopeError, match="from 0 to 1"):
        replace(ECHO_CONTROL, copied=copied)


def test_text_has_no_dose() -> None:
    with pytest.raises(NanoscopeError, match="copied needs data='echo'"):
        replace(ECHO_CONTROL, data="text", copied=0.5)
