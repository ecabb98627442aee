"""Formation: a hand-built head that appears between two checkpoints is seen, and the gain of the data is as it must be."""

import math

import numpy as np
import pytest

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.errors import NanoscopeError
from nanoscope.experiments import open_experiment
from nanoscope.experiments.doses.measure import formation
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.formation.measure import SHARES, Params, available_gain
from nanoscope.model.gpt import untrained
from nanoscope.planted.induction import planted_induction
from nanoscope.text.corpora import Corpus

FORMATION = open_experiment("formation")
FEW = Params(sequences=4, lengths=2)


@pytest.fixture(scope="module")
def excerpt(shakespeare: Corpus) -> Corpus:
    return Corpus("excerpt", shakespeare.text[:150_000])


@pytest.fixture(scope="module")
def planted(excerpt: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A "training" whose last two checkpoints are the hand-built model with an induction head, after two without one."""
    folder, made = tmp_path_factory.mktemp("planted"), planted_induction(excerpt.vocabulary)
    history = {}
    for step in (0, 100, 200, 300):
        model = made.model if step >= 200 else untrained(made.model, "formation")
        record = {"data": "echo", "seed": 1, "step": step, "iterations": 300, "copied": 0.5}
        save(Checkpoint(model, made.vocabulary, excerpt.name, record), folder / str(step))
        history[step] = folder / str(step)
    return Subject(load(history[300]), excerpt, "planted", history=history)


def test_a_planted_head_is_seen_at_the_checkpoints_that_have_it(planted: Subject) -> None:
    found = FORMATION.measure(planted, FEW)
    best = found["heads"].values.min(axis=1).max(axis=(1, 2))
    assert best[:2] == pytest.approx(0, abs=0.05)
    assert best[2:] == pytest.approx(1, abs=0.01)
    formed, when, _ = formation(best, [0, 100, 200, 300])
    assert formed == 1
    assert 100 < when < 200
    accuracy = found["behaviour"].sel(measure="accuracy").values
    assert accuracy[0, 0] < 0.2
    assert accuracy[-1] == pytest.approx([1, 0], abs=0.05)
    assert found["heads"].labels("step") == (0, 100, 200, 300)


def test_the_gain_of_the_data_is_nothing_without_copies_and_rises_with_every_dose(excerpt: Corpus) -> None:
    """At the whole dose at most all symbols of the second spans are won: 22 of 65 on average, at the table's loss on them."""
    gains = np.array(available_gain(excerpt, excerpt.vocabulary, len(excerpt.vocabulary), 64))
    assert gains[0] == 0
    assert (np.diff(gains) > 0).all()
    symbols = math.log(len(excerpt.vocabulary))
    assert 0.8 * symbols * 21 / 64 < gains[-1] < 1.5 * symbols * 22 / 64
    per_dose = gains[1:] / np.array(SHARES[1:])
    assert np.ptp(per_dose) / per_dose.mean() < 0.1, "a copy is worth nearly as much where it is rare"


def test_another_model_is_refused_in_one_line(planted: Subject, excerpt: Corpus) -> None:
    for subject in (
        Subject(planted.checkpoint, excerpt, "no checkpoints"),
        Subject(planted_induction(excerpt.vocabulary), excerpt, "no training", history=planted.history),
    ):
        with pytest.raises(NanoscopeError, match="reads the checkpoints of a training of the copying control"):
            FORMATION.measure(subject, FEW)
