"""Experiments on models that read bytes or words: each runs through, and knows something."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.experiments import open_experiment
from nanoscope.experiments.circuits.setting import Params as Circuits
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.failures.measure import Params as Failures
from nanoscope.experiments.heads.setting import Params as Heads
from nanoscope.experiments.induction.setting import PLANTED
from nanoscope.experiments.lenses.measure import Params as Lenses
from nanoscope.experiments.neurons.measure import Params as Neurons
from nanoscope.experiments.profile.setting import Params as Profile
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import Bytes, Tokenizer
from nanoscope.text.vocabulary import Vocabulary

LINE = "ÉVE:\nLe café est où? Non, le thé.\n\n"
FEW = {
    "profile": Profile(windows=6, ablated_windows=2, search_windows=1, kept_windows=2, random_sets=1),
    "induction": replace(PLANTED, sequences=2, patch_examples=2, natural_examples=2, windows=4, permutations=9),
    "heads": Heads(4, 2, 9, 1, 1, planted_heads=1, planted_windows=4, repeats=1),
    "lenses": Lenses(6, 400, 200, 4, 32, 4, 3, 2, 20, repeats=1),
    "neurons": Neurons(600, 600, 600, 20, 10, 2, 100, 1, 1, 2, 1),
    "failures": Failures(8, 8, 8, 1, 2, 8),
    "snapshot": Snapshot(4, 1, 4, 1000),
    "circuits": Circuits(4, 2, 0, 2, 4, 2),
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Lines of a play with their words in random order."""
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.permutation(LINE.strip().split(" "))) + "\n\n" for _ in range(300)]
    return Corpus("café", "".join(lines))


def _words(corpus: Corpus) -> Vocabulary:
    characters = corpus.vocabulary.symbols
    return Vocabulary((*characters, " est", "Le ", "thé", "<start>"), start=len(characters) + 3)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("kind", ["bytes", "words"])
def test_an_experiment_runs_on_bytes_and_on_words(name: str, kind: str, corpus: Corpus) -> None:
    tokenizer: Tokenizer = Bytes() if kind == "bytes" else _words(corpus)
    model = random_model(n_layer=2, block_size=32, vocab_size=len(tokenizer) + 1)
    subject = Subject(Checkpoint(model, tokenizer), corpus, "a model")
    experiment = open_experiment(name)
    sweeps = experiment.measure(subject, FEW[name])
    unknown = {key for key, sweep in sweeps.items() if sweep.values.size and np.isnan(sweep.values).all()}
    assert unknown <= {"planted", "conditional"}  # too narrow to plant a neuron in; no such concepts


def test_a_checkpoint_keeps_its_bytes(tmp_path) -> None:
    kept = save(Checkpoint(random_model(vocab_size=257), Bytes(started=True)), tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.vocabulary == Bytes(started=True)
    assert again.sha256 == kept.sha256
    assert torch.equal(again.encode("é"), torch.tensor([0xC3, 0xA9]))
