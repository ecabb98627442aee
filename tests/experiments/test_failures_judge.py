"""What is said of failures: the judges' arithmetic on planted sweeps, every claim's words, and the page."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys.claim_texts import published, texts

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import fill_block
from nanoscope.experiments import open_experiment
from nanoscope.experiments.failures import page
from nanoscope.experiments.failures.judge import gain_beside_text, overconfidence, planted_gain, power_facts
from nanoscope.experiments.failures.measure import GROUPS, PRESENT
from nanoscope.experiments.failures.predict import BESIDE_TEXT, CIRCUIT, CONFIDENT, RANDOM, TEXT


def _states(places: tuple[float, ...], errors: tuple[float, ...], sure: tuple[float, ...]) -> Sweep:
    """Sums of each of the three groups, in the first of two windows; the other has the double."""
    sums = np.array([places, errors, sure])[:, :, None, None] * np.array([1.0, 2.0])
    coords = {"measure": ("places", "errors", "sure"), "group": GROUPS}
    return Sweep(sums, ("measure", "group", "bin", "window"), "summed", coords)


def test_overconfidence_worked_by_hand() -> None:
    """Of 90 predictions 36 are wrong, at a mean probability of 0.7; the last group has no prediction."""
    found = overconfidence({"states": _states((10, 20, 0), (6, 6, 0), (5, 16, 0))})
    assert found["excess"] == pytest.approx((0.1, 0.1, 0.1))
    assert (found["sure"], found["right"]) == (pytest.approx(0.7), pytest.approx(0.6))
    first, second = found["groups"]
    assert first == (GROUPS[0], pytest.approx(0.6), pytest.approx(0.5))
    assert second == (GROUPS[1], pytest.approx(0.3), pytest.approx(0.2))


AREAS = {CONFIDENT: 0.7, CIRCUIT: 0.8, RANDOM: 0.74, TEXT: 0.75, BESIDE_TEXT: 0.78}


def _sweeps(copying: float = 0.5) -> dict[str, Sweep]:
    """Areas with the resamples of one of them spread, and the two best heads, one of which has this score."""
    spread = np.array([0.0, 0, 0, 0, 1.0])[:, None] * np.linspace(0, 0.04, 101)
    sets = {"set": tuple(AREAS)}
    areas = np.array(list(AREAS.values()))
    scores = np.zeros((2, 2, 2))
    scores[0, 0, 1], scores[1, 1, 0] = 0.9, copying
    power = np.array(
        [[[0.0, -0.01, 0.001]] * 2, [[0.005, 0.001, 0.009]] * 2, [[0.01, 0.006, 0.014], [0.01, 0.004, 0.016]]]
    )
    return {
        "auroc": Sweep(areas, ("set",), "area", sets),
        "auroc_resampled": Sweep(areas[:, None] + spread, ("set", "resample"), "area", sets),
        "planted_auroc": Sweep(areas, ("set",), "area", sets),
        "planted_resampled": Sweep(areas[:, None] + spread, ("set", "resample"), "area", sets),
        "log_loss": Sweep(np.ones((5, 2)), ("set", "window"), "nats", sets),
        "states": _states((10, 20, 0), (6, 6, 0), (5, 16, 0)),
        "scores": Sweep(scores, ("role", "layer", "head"), "share"),
        "heads": Sweep(np.array([[[0, 1], [1, 0]]]), ("circuit", "role", "part"), "index"),
        "coefficients": Sweep(np.array([1.0, 2.0, 3.0, 0.5]), ("feature",), "log-odds", {"feature": tuple("abcd")}),
        "power": Sweep(power, ("size", "draw", "end"), "area", {"size": (0.0, 0.005, 0.01)}),
    }


def test_the_gain_beside_the_text_is_a_difference_of_areas_with_the_interval_of_theirs() -> None:
    found = gain_beside_text(_sweeps())
    assert (found.value, found.null) == (pytest.approx(0.03), pytest.approx(0.05))
    assert found.interval == pytest.approx((0.03 + 0.001, 0.03 + 0.039))
    assert (found.facts["previous"], found.facts["copying"]) == ("L0H1", "L1H0")
    assert (found.facts["heads"], found.facts["others"]) == (pytest.approx(0.1), pytest.approx(0.04))
    broken = _sweeps()
    broken["auroc_resampled"].values[4, 3] = np.nan
    assert gain_beside_text(broken).why == "some resample of the text has no errors or nothing but errors"


def test_without_a_copying_head_it_is_not_asked() -> None:
    found = gain_beside_text(_sweeps(copying=0.014))
    assert (found.instead, found.measured) == ("not applicable", False)
    assert found.why == "it has no copying head (at least 0.3 of its attention in place; L1H0 has 0.014)"
    assert gain_beside_text(_sweeps(copying=PRESENT)).measured


def test_power_is_counted_over_draws() -> None:
    assert power_facts(_sweeps()) == (
        (0.0, pytest.approx(0.0), 2, 0, 0, 2),
        (0.005, pytest.approx(0.005), 2, 2, 0, 0),
        (0.01, pytest.approx(0.01), 2, 2, 1, 0),
    )
    older = {name: sweep for name, sweep in _sweeps().items() if name != "power"}
    assert power_facts(older) == ()
    assert planted_gain(_sweeps()) == pytest.approx((0.1, 0.1, 0.1))


def _page(sweeps: dict[str, Sweep], reply: str) -> str:
    result = Result("failures", {}, StoredSubject("a model"), sweeps)
    values = {**page.values(Study(None, (result,)), result), "reply": lambda claim: reply}
    template = Path(page.__file__).with_name("page.md.j2")
    return "\n".join(fill_block(template, block, values) for block in ("meaning", "method"))


def test_the_page_says_what_the_comparison_can_see() -> None:
    text = _page(_sweeps(), "no")
    assert "is 70 % sure of its first choice and right in 60 % (difference 0.100" in text
    assert "| 0.0050 | 0.0050 | 2 of 2 | 0 of 2 | 0 of 2 |" in text
    assert "| 0.0100 | 0.0100 | 2 of 2 | 1 of 2 | 0 of 2 |" in text
    none = {
        **_sweeps(),
        "power": Sweep(np.empty((3, 0, 3)), ("size", "draw", "end"), "area", {"size": (0.0, 0.005, 0.01)}),
    }
    assert "was not measured" not in _page(none, "does not apply"), "the question does not arise"
    older = {name: sweep for name, sweep in _sweeps().items() if name != "power"}
    assert "was not measured by that version" in _page(older, "no")


def test_every_claim_is_said_under_every_verdict() -> None:
    """The published model has no copying head; the words are tried as if it had."""
    result = published("failures", "the shakespeare model, seed 1")
    claims = open_experiment("failures").claims
    assert [claim.id for claim in claims] == ["failures.confidence", "failures.beyond_text"]
    assert claims[1].evidence(result.sweeps).instead == "not applicable"
    had = replace(
        result, sweeps={**result.sweeps, "scores": replace(result["scores"], values=result["scores"].values + 0.5)}
    )
    for claim in claims:
        found = texts(claim, had)
        assert len(set(found.values())) == 4, claim.id
        assert not any(re.search(r"[{}]|None|undefined", text) for text in found.values()), found
