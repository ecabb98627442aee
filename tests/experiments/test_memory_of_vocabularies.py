"""What an experiment holds in memory and stores grows with the number of symbols, and not with its square; and where symbols
are many, it reads fewer texts at a time."""

import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from conftest import random_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nanoscope.analysis.neurons import output_weights
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.failures.measure import Params as Failures
from nanoscope.experiments.heads.setting import Params as Heads
from nanoscope.experiments.induction.setting import PLANTED
from nanoscope.experiments.lenses.measure import Params as Lenses
from nanoscope.experiments.measuring import SECONDS, Sweeps
from nanoscope.experiments.neurons.measure import Params as Neurons
from nanoscope.experiments.profile.setting import Params as Profile
from nanoscope.text.corpora import Corpus
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import LOGITS, at_a_time

FEW = {
    "profile": Profile(windows=4, ablated_windows=2, search_windows=1, kept_windows=2, random_sets=1),
    "induction": replace(PLANTED, sequences=2, patch_examples=2, natural_examples=2, windows=4, permutations=3),
    "heads": Heads(4, 2, 3, 1, 1, planted_heads=1, planted_windows=4, repeats=1),
    "lenses": Lenses(4, 200, 100, 2, 16, 4, 0, 2, 10, repeats=1),
    "neurons": Neurons(600, 600, 600, 20, 10, 2, 100, 1, 1, 2, 1),
    "failures": Failures(6, 6, 6, 1, 2, 8),
}
WORDS = tuple(first + rest for first in "bcdfghmnprst" for rest in ("at", "og"))
SOME = [pytest.param("induction", marks=pytest.mark.slow), *(name for name in FEW if name != "induction")]
ONE_BY_ONE = [pytest.param(name, marks=pytest.mark.slow) if name in ("induction", "profile") else name for name in FEW]
TIMES = (SECONDS, "cost", "cost_tokens")


class Largest(TorchDispatchMode):
    """Remembers the bytes of the largest tensor that is made, and of the largest with a number for each symbol."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.most, self.logits, self.symbols = 0, 0, symbols

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in (one for one in tree_leaves(made) if isinstance(one, torch.Tensor)):
            self.most = max(self.most, one.untyped_storage().nbytes())
            if one.shape[-1:] == (self.symbols,):
                self.logits = max(self.logits, one.untyped_storage().nbytes())
        return made


@cache
def measured(name: str, symbols: int, one_by_one: bool = False) -> tuple[int, int, Sweeps]:
    """The bytes of an experiment's largest tensor and of its largest logits, on a model of so many words, and its result.

    `one_by_one` reads texts as if symbols were too many for two at a time.
    """
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(WORDS, 9)) for _ in range(350)]
    text = "\n".join(f"{line}\n{line}" for line in lines)
    words = (*WORDS, "\n", *(f"w{number}x" for number in range(symbols - len(WORDS) - 1)))
    model = random_model(n_layer=2, block_size=32, n_embd=8, vocab_size=symbols, head_bias=True)
    model.lm_head.bias[0] = 50.0  # it says the first word, which is sometimes right
    subject = Subject(Checkpoint(model, Vocabulary(words)), Corpus("words", text), "a model")
    experiment = open_experiment(name)
    with Largest(symbols) as largest, pytest.MonkeyPatch.context() as patch:
        for module in [one for one in sys.modules.values() if vars(one).get("at_a_time") is at_a_time] * one_by_one:
            patch.setattr(module, "at_a_time", lambda *_: 1)
        sweeps = experiment.measure(subject, FEW[name])
    return largest.most, largest.logits, sweeps


def _bytes(sweeps: Sweeps) -> int:
    return sum(sweep.values.nbytes for sweep in sweeps.values())


@pytest.mark.parametrize("name", SOME)
def test_twice_the_symbols_take_at_most_twice_the_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_weights, "DRAWS", 100)
    few, many = measured(name, 600), measured(name, 1200)
    for less, more in ((few[0], many[0]), (_bytes(few[2]), _bytes(many[2]))):
        assert more <= 2.2 * less


def test_batches_shrink_where_symbols_are_many() -> None:
    assert at_a_time(32, 256, 65) == 32  # characters: nothing changes
    assert at_a_time(32, 128, 50_000) == LOGITS // (128 * 50_000) == 2
    assert at_a_time(32, 1024, 200_000) == 1


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_texts_read_one_by_one_give_the_same_numbers_from_fewer_logits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once only those of one text, or of two, of which one takes another's activations, at every depth of a lens."""
    monkeypatch.setattr(output_weights, "DRAWS", 100)
    (_, usual, expected), (_, largest, found) = measured(name, 600), measured(name, 600, one_by_one=True)
    assert largest <= min(usual / 2, (1 + 2) * (1 + (name == "lenses")) * 32 * 600 * 4)
    for key in set(expected) - set(TIMES):
        np.testing.assert_allclose(found[key].values, expected[key].values, rtol=2e-5, atol=2e-7, err_msg=key)
