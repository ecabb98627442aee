"""Results measured by today's code on a small model, for claims that no published version was measured for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from unittest.mock import patch

import numpy as np
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.emergence.measure import Params as Emergence
from nanoscope.experiments.experiment import Group, Subject
from nanoscope.experiments.features import known
from nanoscope.experiments.features.setting import Params as Features
from nanoscope.experiments.induction.setting import Params as Induction
from nanoscope.experiments.runner import describe
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.text.corpora import Corpus
from nanoscope.text.vocabulary import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def measured_today(experiment: str) -> Mapping[str, Sweep]:
    """The sweeps of an experiment on the planted model; empty for an experiment that is not made here."""
    return MADE[experiment]() if experiment in MADE else {}


def _text() -> Corpus:
    """Random letters in which passages return."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(700):
        passage = rng.choice(26, 9)
        rows += [*passage, *rng.choice(26, 12), *passage, *rng.choice(26, 3)]
    return Corpus("toy", "".join(LETTERS[i] for i in rows))


def _planted() -> Checkpoint:
    return planted_induction(Vocabulary(tuple(LETTERS)), Planted(context=41))


def _induction() -> Mapping[str, Sweep]:
    few = Induction(
        sequences=6,
        patch_examples=4,
        natural_examples=6,
        natural_length=8,
        places=60,
        short_places=4,
        windows=70,
        permutations=20,
        random_models=1,
        random_sets=2,
        null_draws=5,
    )
    return open_experiment("induction").measure(Subject(_planted(), _text(), "planted", "planted"), few)


def _emergence() -> Mapping[str, Sweep]:
    shots = []
    for step, share in enumerate((0.0, 0.05, 0.1, 0.3, 0.6, 1.0)):
        checkpoint = replace(_planted(), training={"step": step})
        for block in checkpoint.model.blocks:
            block.attn.W_Q.mul_(share)
        subject = Subject(checkpoint, _text(), "planted", "planted")
        sweeps = open_experiment("snapshot").measure(subject, Snapshot(2, 2, 4, 1000))
        shots.append(Result("snapshot", {"step": step}, describe(subject), sweeps))
    return open_experiment("emergence").measure(Group("planted", "planted", tuple(shots)), Emergence())


def _features() -> Mapping[str, Sweep]:
    """On a random model and random words, in which the position in a word is context."""
    rng = np.random.default_rng(0)
    words = ("".join(LETTERS[i] for i in rng.choice(26, rng.integers(2, 7))) for _ in range(4000))
    corpus = Corpus("words", "".join(word + ("\n" if rng.random() < 0.1 else " ") for word in words))
    model = random_model(n_layer=2, block_size=32, vocab_size=len(corpus.vocabulary))
    few = Features(
        latents=30,
        k=3,
        tokens=2048,
        dictionaries=2,
        transcoder_latents=20,
        measured=600,
        characters=1500,
        shifts=50,
        least=20,
        prompt=6,
        edges=8,
    )
    with patch.object(known, "RECIPE", replace(known.RECIPE, tokens=5000)):
        return open_experiment("features").measure(Subject(Checkpoint(model, corpus.vocabulary), corpus, "random"), few)


MADE: Mapping[str, Callable[[], Mapping[str, Sweep]]] = {
    "induction": _induction,
    "emergence": _emergence,
    "features": _features,
}
