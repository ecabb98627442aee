"""What is said of failures: the judges' arithmetic on planted sweeps, and every claim's words."""

import numpy as np
import pytest
from toys.claim_texts import published, texts

from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.failures.judge import circuit_against_confidence, gain_over_random_heads, overconfidence
from nanoscope.experiments.failures.measure import GROUPS
from nanoscope.experiments.failures.predict import CIRCUIT


def _states(places: tuple[float, ...], errors: tuple[float, ...], sure: tuple[float, ...]) -> Sweep:
    """Sums of each of the three groups, in the first of two windows; the other has the double."""
    sums = np.array([places, errors, sure])[:, :, None, None] * np.array([1.0, 2.0])
    coords = {"measure": ("places", "errors", "sure"), "group": GROUPS}
    return Sweep(sums, ("measure", "group", "bin", "window"), "summed", coords)


def test_overconfidence_worked_by_hand() -> None:
    """Of 90 predictions 36 are wrong, at a mean probability of 0.7; the last group has no prediction."""
    found = overconfidence({"states": _states((10, 20, 0), (6, 6, 0), (5, 16, 0))})
    assert (found.value, found.n) == (pytest.approx(0.1), 2)
    assert found.interval == pytest.approx((0.1, 0.1))
    assert (found.facts["sure"], found.facts["right"]) == (pytest.approx(0.7), pytest.approx(0.6))
    first, second = found.facts["groups"]
    assert first == (GROUPS[0], pytest.approx(0.6), pytest.approx(0.5))
    assert second == (GROUPS[1], pytest.approx(0.3), pytest.approx(0.2))


def test_gains_are_differences_of_areas_with_the_interval_of_theirs() -> None:
    areas = {"confidence": 0.7, CIRCUIT: 0.8, "confidence + random heads": 0.74, "circuit": 0.6, "text": 0.5}
    drawn = np.array(list(areas.values()))[:, None] + np.array([0.0, 1.0, 0, 0, 0])[:, None] * np.linspace(0, 0.04, 101)
    sets = {"set": tuple(areas)}
    sweeps = {
        "auroc": Sweep(np.array(list(areas.values())), ("set",), "area", sets),
        "auroc_resampled": Sweep(drawn, ("set", "resample"), "area", sets),
        "states": _states((10, 20, 0), (6, 6, 0), (5, 16, 0)),
    }
    over_random, alone = gain_over_random_heads(sweeps), circuit_against_confidence(sweeps)
    assert (over_random.value, over_random.null) == (pytest.approx(0.06), pytest.approx(0.04))
    assert over_random.interval == pytest.approx((0.06 + 0.001, 0.06 + 0.039))
    assert (alone.value, alone.null) == (pytest.approx(-0.1), pytest.approx(-0.2))
    assert alone.facts == {"circuit": 0.6, "confidence": 0.7, "text": 0.5}
    drawn[1, 3] = np.nan
    assert gain_over_random_heads(sweeps).why == "some resample of the text has no errors or nothing but errors"


def test_every_claim_is_said_under_every_verdict() -> None:
    result = published("failures", "the shakespeare-cpu model, seed 1")
    claims = open_experiment("failures").claims
    for claim in claims:
        assert len(set(texts(claim, result).values())) == 4, claim.id
    calibrated = next(claim for claim in claims if claim.id == "failures.calibrated")
    assert "**surer** than it is right" in texts(calibrated, result)["not supported"]
