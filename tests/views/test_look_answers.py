"""The answers' words on planted results: every verdict of each, and the thresholds that were fixed beforehand."""

import numpy as np
import pytest

from nanoscope.analysis.prediction.effective_context import ContextCost
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import ALL_CLASSES
from nanoscope.experiments.induction.claims import CLAIMS
from nanoscope.views import look_answers as answers
from nanoscope.views.look import JUDGED, Copying, Lens, Unmeasured
from nanoscope.views.look_heads import HeadClasses

NOISE = np.random.default_rng(0).normal(size=400)


def _around(mean: float, count: int, spread: float = 0.01) -> np.ndarray:
    noise = NOISE[:count]
    return mean + spread * (noise - noise.mean())


def _copying(mean: float, places: int = 64, spread: float = 0.01, attention: Sweep | None = None) -> Copying:
    coords = {"place": tuple(place // 2 for place in range(places))}
    return Copying({JUDGED: Sweep(_around(mean, places, spread), ("place",), "nats", coords)}, attention)


def _attention(best: float, places: int = 120) -> Sweep:
    values = np.zeros((2, 2, places))
    values[1, 0] = _around(best, places)
    return Sweep(values, ("layer", "head", "place"), "share", {"place": tuple(range(places))})


def _heads(best: float, p: float = 0.01) -> HeadClasses:
    induction = np.zeros((2, 3, 2, 2, 12))
    induction[..., 1, 1, :] = _around(best, 12)
    coords = {"split": ("select", "report")}
    sweep = Sweep(induction, ("split", "length", "layer", "head", "example"), "share", coords)
    scores = Sweep(np.zeros((len(ALL_CLASSES), 2, 2)), ("cls", "layer", "head"), "share", {"cls": ALL_CLASSES})
    return HeadClasses(np.full((2, 2), -1), (((),) * 2,) * 2, scores, sweep, np.full((2, 2), p))


def test_the_thresholds_are_those_of_the_claims() -> None:
    criteria = {claim.id: claim.criterion for claim in CLAIMS}
    assert criteria["induction.long_match"].threshold == answers.COPIES
    assert criteria["induction.heads"].threshold == answers.AN_INDUCTION_HEAD
    assert criteria["induction.absent"].threshold == answers.NO_INDUCTION_HEAD


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        (_copying(0.4), "yes", "costs 0.400 nats [0.3"),
        (_copying(0.0), "no", "less than the 0.05 that would count"),
        (_copying(-0.4), "no", "costs -0.400 nats"),
        (_copying(0.05), "cannot tell", "leaves open whether it reaches the 0.05"),
        (_copying(0.0, spread=1.0), "cannot tell", "leaves open"),
        (_copying(0.4, places=20), "cannot tell", "only 20 places of this text repeat 5 characters"),
        (Copying({}, None), "cannot tell", "only 0 places"),
    ],
)
def test_copying(found: Copying, verdict: str, said: str) -> None:
    answer = answers.does_it_copy(found)
    assert answer.verdict == verdict
    assert said in answer.text
    assert answer.text.lower().startswith(verdict)


def test_places_of_one_window_count_as_one() -> None:
    """Ten windows of twenty equal places leave as much open as ten places."""
    values = np.repeat(_around(0.1, 10, 0.2), 20)
    _, low, high = answers.mean_over_windows(values, np.repeat(np.arange(10), 20).tolist(), "test")
    assert high - low > 0.15


@pytest.mark.parametrize(
    ("heads", "copied", "verdict", "said"),
    [
        (_heads(0.8), Unmeasured("short"), "yes", "L1H1 sends 0.800 (in repeated random sequences"),
        (_heads(0.8, p=0.5), Unmeasured("short"), "cannot tell", "0.3 or more"),
        (_heads(0.0), Unmeasured("short"), "no", "0.3 or more"),
        (_heads(-0.4), Unmeasured("short"), "no", "An induction head"),
        (_heads(0.15), Unmeasured("short"), "cannot tell", "0.150"),
        (_heads(0.0), _copying(0.0, attention=_attention(0.7)), "yes", "in text that repeats itself"),
        (_heads(0.0), _copying(0.0, attention=_attention(0.1)), "cannot tell", "in text that repeats itself"),
        (_heads(0.0), _copying(0.0, attention=_attention(0.0)), "no", "in text that repeats itself"),
        (_heads(0.0), _copying(0.0, attention=_attention(0.7, places=20)), "no", "random"),
    ],
)
def test_induction_heads(heads: HeadClasses, copied: Copying | Unmeasured, verdict: str, said: str) -> None:
    answer = answers.has_induction_head(heads, copied)
    assert answer.verdict == verdict
    assert said in answer.text


def _context(costs: dict[int, float]) -> ContextCost:
    values = np.stack([_around(cost, 30) for cost in costs.values()])
    cost = Sweep(values, ("context", "window"), "nats", {"context": tuple(costs)})
    return ContextCost(cost, Sweep(np.zeros(30), ("window",), "nats"), (30,) * len(costs))


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ({1: 0.8, 2: 0.4, 4: 0.05, 8: 0.001, 16: 0.0}, "About 8 characters, and certainly more than 4"),
        ({1: 0.8, 2: 0.4, 4: 0.001, 8: 0.03, 16: 0.0}, "About 16 characters, and certainly more than 8"),
        ({1: 0.8, 2: 0.4, 4: 0.2}, "More than 4 characters: to see no more than these costs 0.200 nats"),
        ({1: 0.8, 2: 0.4, 4: 0.0101}, "Perhaps more than 4 characters, and certainly more than 2: to see no more than"),
        ({1: 0.0, 2: 0.0}, "About 1 character: to see no more costs 0.000"),
    ],
)
def test_how_far_back(costs: dict[int, float], said: str) -> None:
    assert answers.how_far_back(_context(costs)).text.startswith(said)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (1.5, "better than every table, by 0.200"),
        (1.7, "no better than the 2-gram table (difference 0.000"),
        (1.8, "worse than the 2-gram table by 0.100"),
    ],
)
def test_how_good(model: float, said: str) -> None:
    values = np.stack([_around(model, 30), np.full(30, 3.0), np.full(30, 1.7)])
    loss = Sweep(values, ("predictor", "window"), "nats", {"predictor": ("model", "1-gram", "2-gram")})
    text = answers.how_good(loss).text
    assert said in text
    assert ("better than the 1-gram table" in text) == (model > 1.6)


def test_where_it_decides_is_the_first_reading_at_which_half_is_final() -> None:
    names = {"reading": ("embedding", "L0", "L1")}
    final = Sweep(np.array([[0.1], [0.5], [1.0]]), ("reading", "window"), "share", names)
    kl = Sweep(np.array([[9.0], [0.5], [0.0]]), ("reading", "window"), "nats", names)
    text = answers.where_decided(Lens(kl, kl, final)).text
    assert text.startswith("Half of its first choices are final after L0 (L0 50 %, L1 100 %)")


def test_what_matters_is_ranked_and_heads_that_cover_are_found() -> None:
    names = ("L0H0", "L0H1", "MLP0", "heads of L0", "class previous token")
    values = np.stack([_around(mean, 24) for mean in (0.0, 0.04, 2.0, 0.6, 0.6)])
    found = Sweep(values, ("set", "window"), "nats", {"set": names})
    assert [name for name, _, _ in answers.ranked(found)] == ["MLP0", "L0H1", "L0H0"]
    text = answers.what_matters(found).text
    assert text.startswith(
        "Without it the loss rises most for MLP0 2.000, L0H1 0.040, L0H0 0.000; of the heads L0H1 0.040"
    )
    assert text.endswith("all heads of L0 0.600.")
    assert answers.covers_up(found, "class previous token", ["L0H0", "L0H1"])
    assert not answers.covers_up(found, "class previous token", ["L0H0"])
    assert not answers.covers_up(found, "L0H1", ["L0H0", "L0H1"])
