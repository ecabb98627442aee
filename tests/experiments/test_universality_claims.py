"""The claims about universality: their values on sweeps with a known answer, and the words for one other training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.universality import judge
from nanoscope.experiments.universality.claims import CLAIMS

AXES = ("measure", "layer", "neuron")
MEASURES = {"measure": ("best", "excess")}


def _planted(twins: int = 2) -> dict[str, Sweep]:
    """Two layers of four neurons: by the mean over the other trainings, one of layer 0 is universal. Of the planted model's
    shared neurons three of four are called universal, of the others one."""
    excess = np.zeros((twins, 2, 2, 4))
    excess[:, 1, 0, 2] = 0.8
    excess[0, 1, 1, 3] = 0.6 if twins > 1 else 0.0
    excess[:, 0] = 0.9
    mixed, shared = np.zeros((2, 2, 4)), np.zeros((2, 4), dtype=bool)
    shared[:, :2] = True
    mixed[1, :, :2] = 0.9
    mixed[1, 0, :2] = 0.9, 0.4
    mixed[1, 1, 3] = 0.7
    return {
        "excess": Sweep(excess, ("twin", *AXES), "correlation", MEASURES),
        "untrained": Sweep(np.full((2, 2, 4), 0.02), AXES, "correlation", MEASURES),
        "planted": Sweep(np.tile(mixed, 8), AXES, "correlation", MEASURES),
        "shared": Sweep(np.tile(shared, 8), ("layer", "neuron"), "yes or no"),
    }


def test_the_shared_half_is_counted_and_what_is_called_by_mistake_in_the_other() -> None:
    shares = judge.shares_above(_planted())
    at = judge.CUTS.index(0.5)
    assert [shares[group][at] for group in judge.GROUPS] == [1 / 8, 0.0, 0.75, 0.25]
    assert shares["planted: shared"] == (1.0, 0.75, 0.75, 0.75, 0.75)
    assert shares["planted: not shared"] == (0.25, 0.25, 0.25, 0.25, 0.0)


def test_a_neuron_is_universal_by_the_mean_over_other_trainings() -> None:
    evidence = judge.mean_excess(_planted())
    assert (evidence.facts["count"], evidence.facts["of"]) == (1, 8)
    assert "where Gurnee et al. (2024) call a neuron universal, lie 1 of 8" in CLAIMS[0].found(evidence).text


def test_no_interval_is_over_neurons() -> None:
    """Twice as many of the same neurons make nothing surer; two trainings that differ do the opposite."""
    few, many = _planted(), _planted()
    many["excess"] = replace(many["excess"], values=many["excess"].values.repeat(2, axis=-1))
    assert judge.mean_excess(few).interval == pytest.approx(judge.mean_excess(many).interval)
    assert judge.mean_excess(few).unit == "other trainings"


def test_one_other_training_has_a_mean_but_no_interval() -> None:
    two, one = (judge.mean_excess(_planted(twins)) for twins in (2, 1))
    assert two.value == pytest.approx((0.8 + 0.6 + 0.8) / 16)
    assert two.facts["best"] == pytest.approx(0.9)
    assert one.value == pytest.approx(0.8 / 8)
    found = CLAIMS[0].found(one)
    assert (found.verdict, found.text.rpartition("): ")[2]) == (
        "too little data",
        "one other training gives no interval.",
    )
    assert Finding.from_json(json.loads(json.dumps(found.to_json()))).text == found.text
