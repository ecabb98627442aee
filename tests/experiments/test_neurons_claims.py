"""The claims about neurons: their values on sweeps with a known answer, and what is said where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.neurons import census, judge, stored
from nanoscope.experiments.neurons.claims import CLAIMS
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES, KIND

CHOSEN = ("neurons", "silent", "directions", "untrained")
CONCEPTS = ("line start", "word end", "vowel")
NEURONS = np.array([[0.95, 0.6, 0.9], [0.7, 0.85, 0.99]])
"""AUROC of the best neuron of each layer `[layer, concept]`."""
NAMES = ("L0N1", "L1N2", "L0N3")


def _claim(name: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.id == f"neurons.{name}")


def _searched(windows: int = 4) -> dict[str, Sweep]:
    """Two context concepts, whose best neurons (the first of layer 0, the second of layer 1) are as good in every window."""
    others = {"silent": 0.2, "directions": 0.7, "untrained": 0.5, "probe": 0.99}
    every = np.stack([NEURONS, *(np.full(NEURONS.shape, value) for value in others.values())])
    axes = {"source": CHOSEN, "concept": CONCEPTS}
    told = np.stack([[0.95, 0.85], *([value] * 2 for value in others.values())][:4])
    families = np.array([FAMILIES.index(family) for family in (CONTEXT, CONTEXT, KIND)])
    return {
        "selected": Sweep(every[:4], ("source", "layer", "concept"), "AUROC", axes),
        "aurocs": Sweep(every, ("source", "layer", "concept"), "AUROC", axes | {"source": (*CHOSEN, "probe")}),
        "told": Sweep(told[..., None].repeat(windows, -1), ("source", "concept", "window"), "AUROC",
                      {"source": CHOSEN, "concept": CONCEPTS[:2]}),
        "depth": Sweep(NEURONS[:, :2].mean(1)[:, None].repeat(windows, -1), ("layer", "window"), "AUROC"),
        "chosen": Sweep(np.array([[[5, 6, 7], [8, 9, 10]]] * 4), ("source", "layer", "concept"), "neuron", axes),
        "families": Sweep(families, ("concept",), "family", {"concept": CONCEPTS}),
        "p": Sweep(np.array([0.01, 0.02, 0.001]), ("concept",), "p", {"concept": CONCEPTS}),
        "shifts": Sweep(np.array(1000), (), "shifts"),
    }  # fmt: skip


def _stored_by_version_3() -> dict[str, Sweep]:
    """The same numbers as an older result holds them."""
    now = _searched()
    sources = ("neurons", "directions", "untrained", "probe")
    report = np.stack([now["aurocs"].sel(source=source).values for source in sources])[..., None].repeat(4, -1)
    axes = {"source": sources, "concept": CONCEPTS}
    kept = {name: now[name] for name in ("families", "p", "shifts")}
    chosen = {name: Sweep(now[name].values, now[name].dims, "", axes) for name in ("selected", "chosen")}
    return {**kept, **chosen, "report": Sweep(report, ("source", "layer", "concept", "window"), "AUROC", axes)}


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
    assert "Of the 2 concepts that the current character does not decide, **2** have a selective neuron" in text


def test_what_random_directions_tell_stands_beside_the_count_and_is_the_null() -> None:
    sweeps = _searched()
    told = sweeps["told"].values.copy()
    told[2, 0] = 0.9
    evidence = judge.selective_concepts(sweeps | {"told": replace(sweeps["told"], values=told)})
    assert (evidence.facts["directions"], evidence.facts["untrained"], evidence.null) == (1, 0, 0.5)
    assert "random directions tells 1 of the 2 too" in _claim("selective").found(evidence).text


def test_the_count_is_uncertain_by_the_text_and_not_by_the_number_of_concepts() -> None:
    """One concept is told on every window, one on average just so: the share is 0.5 or 1 as windows are drawn."""
    sweeps = _searched(windows=40)
    told = sweeps["told"].values.copy()
    told[0, 1] = np.where(np.arange(40) % 2, 0.9, 0.705)
    evidence = judge.selective_concepts(sweeps | {"told": replace(sweeps["told"], values=told)})
    assert (evidence.value, evidence.interval) == (1.0, (0.5, 1.0))
    assert judge.selective_concepts(sweeps).interval == (1.0, 1.0)


def test_leads_and_depth_are_differences_of_the_best_neurons() -> None:
    sweeps = _searched()
    assert judge.lead_over_directions(sweeps).value == pytest.approx(0.9 - 0.7)
    assert judge.lead_over_directions(sweeps).facts["probe"] == pytest.approx(0.99)
    assert judge.growth_with_depth(sweeps).value == pytest.approx(0.775 - 0.775)
    assert judge.growth_with_depth(sweeps).facts["layers"] == pytest.approx((0.775, 0.775))


def test_a_result_of_version_3_is_read_alike_and_stays_withdrawn() -> None:
    now, then = _searched(), _stored_by_version_3()
    for claim in CLAIMS[:3]:
        assert claim.evidence(then) == claim.evidence(now)
        assert claim.withdrawn_in(3)
        assert not claim.withdrawn_in(4)
        assert not claim.found(claim.evidence(now)).withdrawn
    assert not stored.has_silent(then)


def test_counts_fall_with_the_threshold_and_the_silent_count_from_the_other_end() -> None:
    sweeps = _searched()
    at = dict(zip(census.AUROCS.tolist(), census.concepts_told(sweeps, "neurons").tolist(), strict=True))
    assert (at[0.5], at[0.85], at[0.86], at[0.95], at[0.96]) == (2, 2, 1, 1, 0)
    silent = dict(zip(census.AUROCS.tolist(), census.concepts_told(sweeps, "silent").tolist(), strict=True))
    assert (silent[0.8], silent[0.81]) == (2, 0)
    assert (census.told_band(sweeps, "neurons") == census.concepts_told(sweeps, "neurons")).all()


def test_neurons_that_stay_low_are_counted_at_every_height() -> None:
    largest = np.array([[[0.0, 1e-3, 0.5, 2.0, 2.0, 2.0, 4.0]]])
    below = census.neurons_below(
        {"statistics": Sweep(largest, ("statistic", "layer", "neuron"), "", {"statistic": ("max",)})}
    )
    assert below[0] == 1
    assert below[np.searchsorted(census.HEIGHTS, 1e-3)] == 2
    assert below[-1] == 6


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


def test_a_text_without_context_concepts_is_judged_by_nothing() -> None:
    sweeps = _searched() | {"families": Sweep(np.full(3, FAMILIES.index(KIND)), ("concept",), "family")}
    for gather in (judge.selective_concepts, judge.lead_over_directions, judge.growth_with_depth):
        assert gather(sweeps).why == judge.NO_CONTEXT
