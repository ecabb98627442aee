"""The claims about neurons: their values on sweeps with a known answer, and what is said where there is none."""

import math
from dataclasses import replace

import numpy as np
import pytest

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.neurons import judge
from nanoscope.experiments.neurons.claims import CLAIMS
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES, KIND

SOURCES = ("neurons", "directions", "untrained", "probe")
CONCEPTS = ("line start", "word end", "vowel")
NEURONS = np.array([[0.95, 0.6, 0.9], [0.7, 0.85, 0.99]])
"""AUROC of the best neuron of each layer `[layer, concept]`."""
NAMES = ("L0N1", "L1N2", "L0N3")


def _claim(name: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.id == f"neurons.{name}")


def _searched(windows: int = 4) -> dict[str, Sweep]:
    """Two context concepts, whose best neurons (the first of layer 0, the second of layer 1) are as good in every window."""
    others = {"directions": 0.7, "untrained": 0.5, "probe": 0.99}
    report = np.stack([NEURONS, *(np.full(NEURONS.shape, others[source]) for source in SOURCES[1:])])
    axes = {"source": SOURCES, "concept": CONCEPTS}
    families = np.array([FAMILIES.index(family) for family in (CONTEXT, CONTEXT, KIND)])
    return {
        "selected": Sweep(report, ("source", "layer", "concept"), "AUROC", axes),
        "report": Sweep(report[..., None].repeat(windows, -1), ("source", "layer", "concept", "window"), "AUROC", axes),
        "chosen": Sweep(np.array([[[5, 6, 7], [8, 9, 10]]] * 4), ("source", "layer", "concept"), "neuron", axes),
        "families": Sweep(families, ("concept",), "family", {"concept": CONCEPTS}),
        "p": Sweep(np.array([0.01, 0.02, 0.001]), ("concept",), "p", {"concept": CONCEPTS}),
        "shifts": Sweep(np.array(1000), (), "shifts"),
    }


def _ablated() -> dict[str, Sweep]:
    """One neuron that passes, one that does not, one random; each is active on 10 characters of both windows."""
    costs = np.array([[[3.0, -1.0], [2.0, 0.0], [1.0, 0.0]]]) * np.array([1.0, 0.5, 2.0])[:, None, None]
    effects = {"effect": ("mean", "mean, direct", "zero"), "neuron": NAMES}
    count = np.full((3, 2, 2), 10)
    return {
        "ablation": Sweep(costs[..., None].repeat(2, -1), ("effect", "neuron", "part", "window"), "nats", effects),
        "ablation_count": Sweep(count, ("neuron", "part", "window"), "characters"),
        "ablation_group": Sweep(np.array([0, 0, 1]), ("neuron",), "group"),
        "ablation_passing": Sweep(np.array([True, False, False]), ("neuron",), "yes or no"),
    }


def test_the_selective_are_counted_and_named_by_their_best_neuron() -> None:
    evidence = judge.selective_concepts(_searched())
    assert (evidence.value, evidence.interval, evidence.n, evidence.null) == (1.0, (1.0, 1.0), 2, 0.0)
    assert evidence.facts["best"] == (("line start", "L0N5", 0.95), ("word end", "L1N9", 0.85))
    insignificant = _searched() | {"p": Sweep(np.array([0.01, 0.06, 0.001]), ("concept",), "p")}
    assert judge.selective_concepts(insignificant).value == 0.5
    text = _claim("selective").found(evidence).text
    assert "line start (L0N5, 0.95), word end (L1N9, 0.85)" in text
    assert "**2 of 2** have a selective neuron" in text


def test_leads_and_depth_are_differences_of_the_best_neurons() -> None:
    sweeps = _searched()
    assert judge.lead_over_untrained(sweeps).value == pytest.approx(0.9 - 0.5)
    assert judge.lead_over_directions(sweeps).value == pytest.approx(0.9 - 0.7)
    assert judge.lead_over_directions(sweeps).facts["probe"] == pytest.approx(0.99)
    assert judge.growth_with_depth(sweeps).value == pytest.approx(0.775 - 0.775)
    assert judge.growth_with_depth(sweeps).facts["layers"] == pytest.approx((0.775, 0.775))


def test_ablation_is_counted_where_a_neuron_is_active_and_beyond_random_ones() -> None:
    evidence = judge.cost_of_ablation(_ablated())
    assert evidence.value == pytest.approx(0.3 - 0.1)
    assert evidence.interval == pytest.approx((0.2, 0.2))
    assert evidence.facts == {
        "neurons": ("L0N1",),
        "alone": pytest.approx(0.3),
        "elsewhere": pytest.approx(-0.1),
        "direct": pytest.approx(0.15),
        "zeroed": pytest.approx(0.6),
    }
    nothing = _ablated() | {"ablation_passing": Sweep(np.zeros(3), ("neuron",), "yes or no")}
    assert judge.cost_of_ablation(nothing).why == judge.NOTHING_SELECTIVE


@pytest.mark.parametrize("character", [",", "\n"])
def test_a_planted_detector_is_named_by_its_character(character: str) -> None:
    written = {"\n": "newline"}.get(character, character)
    measures = {"auroc": 1.0, "best": 1.0, "p": 0.01, "smallest p": 0.01, "top share": 1.0, "change": 0.0}
    coords = {"concept": (f"current {written}",), "neuron": ("L0N1",), "measure": tuple(measures)}

    def found(**changed: float) -> Evidence:
        values = np.array([[[*(measures | changed).values()]]])
        planted = Sweep(values, ("concept", "neuron", "measure"), "AUROC; share; p; nats", coords)
        weights = Sweep(np.zeros((1, 3)), ("card", "token"), "logits", {"token": ("\n", ",", "a")})
        return judge.planted_neuron({"planted": planted, "card_weights": weights, "shifts": _searched()["shifts"]})

    assert f"A detector of `{written}`, planted in a copy" in _claim("planted").found(found()).text
    assert [found(**changed).value for changed in ({}, {"auroc": 0.9}, {"p": 0.02}, {"change": 1e-3})] == [1, 0.9, 0, 0]
    assert math.isnan(found(auroc=math.nan).value)
    assert found(auroc=math.nan).why == judge.NO_DIRECTION


def test_a_text_without_context_concepts_is_judged_by_nothing() -> None:
    sweeps = _searched() | {"families": Sweep(np.full(3, FAMILIES.index(KIND)), ("concept",), "family")}
    for gather in (
        judge.selective_concepts,
        judge.lead_over_untrained,
        judge.lead_over_directions,
        judge.growth_with_depth,
    ):
        assert gather(sweeps).why == judge.NO_CONTEXT


def test_where_all_are_dead_nothing_is_said_of_how_often_they_are_active() -> None:
    claim = _claim("dead")
    facts = {"count": 4, "median": 0.0, "characters": 100, "positive": 0.0, "sparsity": math.nan}
    some = Evidence(1.0, (0.4, 1.0), 4, "neurons", 0.0, facts)
    assert "tenth" not in claim.found(some).text
    assert (
        "above a tenth of its maximum on 5.0 %"
        in claim.found(replace(some, facts=facts | {"count": 3, "sparsity": 0.05})).text
    )
