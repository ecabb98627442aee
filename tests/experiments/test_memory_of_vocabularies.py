"""What an experiment holds in memory and stores grows with the number of symbols, and not with its square."""

from dataclasses import replace
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
from nanoscope.experiments.neurons.measure import Params as Neurons
from nanoscope.text.corpora import Corpus
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import LOGITS, at_a_time

FEW = {
    "induction": replace(PLANTED, sequences=2, patch_examples=2, natural_examples=2, windows=4, permutations=3),
    "heads": Heads(4, 2, 3, 1, 1, planted_heads=1, planted_windows=4, repeats=1),
    "lenses": Lenses(4, 200, 100, 2, 16, 4, 0, 2, 10, repeats=1),
    "neurons": Neurons(600, 600, 600, 20, 10, 2, 100, 1, 1, 2, 1),
    "failures": Failures(6, 6, 6, 1, 2, 8),
}
WORDS = tuple(first + rest for first in "bcdfghmnprst" for rest in ("at", "og"))


class Largest(TorchDispatchMode):
    """Remembers the bytes of the largest tensor that is made."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        sizes = [one.untyped_storage().nbytes() for one in tree_leaves(made) if isinstance(one, torch.Tensor)]
        self.most = max(self.most, *sizes, 0)
        return made


def measured(name: str, symbols: int) -> tuple[int, int]:
    """The bytes of the largest tensor of an experiment on a model of so many words, and of its result."""
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(WORDS, 9)) for _ in range(350)]
    text = "\n".join(f"{line}\n{line}" for line in lines)
    words = (*WORDS, "\n", *(f"w{number}x" for number in range(symbols - len(WORDS) - 1)))
    model = random_model(n_layer=2, block_size=32, n_embd=8, vocab_size=symbols, head_bias=True)
    model.lm_head.bias[0] = 50.0  # it says the first word, which is sometimes right
    subject = Subject(Checkpoint(model, Vocabulary(words)), Corpus("words", text), "a model")
    with Largest() as largest:
        sweeps = open_experiment(name).measure(subject, FEW[name])
    return largest.most, sum(sweep.values.nbytes for sweep in sweeps.values())


@pytest.mark.parametrize(
    "name", [pytest.param("induction", marks=pytest.mark.slow), *(n for n in FEW if n != "induction")]
)
def test_twice_the_symbols_take_at_most_twice_the_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_weights, "DRAWS", 100)
    few, many = measured(name, 600), measured(name, 1200)
    for less, more in zip(few, many, strict=True):
        assert more <= 2.2 * less


def test_batches_shrink_where_symbols_are_many() -> None:
    assert at_a_time(32, 256, 65) == 32  # characters: nothing changes
    assert at_a_time(32, 128, 50_000) == LOGITS // (128 * 50_000) == 2
    assert at_a_time(32, 1024, 200_000) == 1
