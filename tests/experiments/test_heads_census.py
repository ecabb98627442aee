"""How many heads have a class, by threshold, and what the categoriser makes of planted heads: by hand, and planted anew."""

import numpy as np
import pytest
import torch

from nanoscope.analysis.attention.classes import CLASSES, Targets, token_targets
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads import control
from nanoscope.experiments.heads.census import (
    THRESHOLDS,
    Named,
    by_strength,
    confusion,
    untrained_with_a_class,
    with_a_class,
)
from nanoscope.experiments.heads.label import WEAK, classes_of, labels
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.windows import spread_starts, windows_at

AXES = ("cls", "layer", "head")


def _sweeps(select: np.ndarray, report: np.ndarray, p: np.ndarray) -> dict[str, Sweep]:
    parts = {"scores_select": select, "scores_report": report, "p": p, "label": np.zeros(0)}
    sweeps = {name: Sweep(values, AXES, "share") for name, values in parts.items() if name != "label"}
    return {**sweeps, "label": Sweep(labels(sweeps["scores_select"], sweeps["p"]), ("layer", "head"), "class")}


def test_the_share_of_heads_with_a_class_by_hand() -> None:
    """Four heads of two classes: sure at 0.9; 0.45 and 0.35 on the two halves; large but not significant; small."""
    select = np.array([[[0.9, 0.1, 0.8, 0.2]], [[0.1, 0.45, 0.0, 0.1]]])
    report = np.array([[[0.9, 0.1, 0.8, 0.16]], [[0.0, 0.35, 0.0, 0.3]]])
    p = np.array([[[0.01, 0.01, 0.2, 0.01]], [[0.5, 0.01, 0.9, 0.01]]])
    sweeps = _sweeps(select, report, p)
    assert [with_a_class(sweeps, t) for t in (0.1, 0.15, 0.2, 0.3, 0.4, 0.95)] == [0.75, 0.75, 0.5, 0.5, 0.25, 0]


def test_at_the_threshold_in_use_it_counts_the_heads_that_have_a_name() -> None:
    rng = np.random.default_rng(1)
    select, report = rng.random((2, 5, 4, 6))
    sweeps = _sweeps(select, report, rng.choice([0.01, 0.5], (5, 4, 6)))
    has_name = [bool(classes_of(sweeps, layer, head)) for layer in range(4) for head in range(6)]
    assert with_a_class(sweeps, WEAK) == np.mean(has_name)
    shares = [with_a_class(sweeps, t) for t in (0.0, 0.5, 1.01)]
    assert shares[0] > shares[1] > shares[2] == 0


def test_untrained_models_are_counted_over_all_of_them() -> None:
    scores = np.zeros((2, 3, 1, 4))
    scores[0, 1, 0, 2] = 0.25
    sweeps = {
        "untrained_scores": Sweep(scores, ("seed", *AXES), "share"),
        "untrained_p": Sweep(np.full(scores.shape, 0.01), ("seed", *AXES), "p"),
    }
    assert [untrained_with_a_class(sweeps, t) for t in (0.2, 0.3)] == [1 / 8, 0]


def test_counts_of_planted_heads_by_hand() -> None:
    """Two classes and none, two copies of each at one strength."""
    scores = np.zeros((1, 2, 3, 2))
    scores[0, 0, 0] = [0.9, 0.2]  # one right, one too weak
    scores[0, 0, 1] = [0.5, 0.0]  # one of the second class taken for the first
    scores[0, 1, 1] = [0.4, 0.6]
    scores[0, 1, 2] = [0.35, 0.0]  # one of no class named
    coords = {"strength": (0.5,), "cls": ("a", "b"), "planted": ("a", "b", "none")}
    axes = ("strength", "cls", "planted", "copy")
    sweeps = {
        "planted_scores": Sweep(scores, axes, "share", coords),
        "planted_p": Sweep(np.zeros(scores.shape), axes, "p", coords),
    }
    assert confusion(sweeps).tolist() == [[[1, 0, 1], [1, 1, 0], [0, 1, 1]]]
    assert by_strength(sweeps) == {0.5: Named(right=0.5, wrong=0.25, invented=0.5)}
    assert confusion(sweeps, 0.95).tolist() == [[[0, 0, 2], [0, 0, 2], [0, 0, 2]]]


@pytest.fixture(scope="module")
def targets(shakespeare: Corpus) -> Targets:
    text = tokenized(shakespeare.val, shakespeare.vocabulary)
    return token_targets(text, windows_at(text.tokens, spread_starts(len(text), 48, 12), 48))


def test_strong_planted_heads_get_their_name_weak_ones_none_and_chance_none(targets: Targets) -> None:
    sweeps = control.planted(targets, 1, 60, "test")
    found = by_strength(sweeps)
    assert list(found) == list(control.STRENGTHS)
    assert found[1.0].right > 0.9
    assert found[0.1].right < 0.1
    shares = [one.right for one in found.values()]
    assert shares == sorted(shares)
    assert sum(one.invented for one in found.values()) <= 1, "of seven"
    counts = confusion(sweeps)
    assert counts.shape == (len(control.STRENGTHS), len(CLASSES) + 1, len(CLASSES) + 1)
    assert (counts.sum(-1) == 1).all()


def test_the_curve_falls_with_the_threshold_for_weak_heads_and_not_for_strong_ones(targets: Targets) -> None:
    """Value at both ends: a threshold of a tenth names heads of strength 0.3, one of a half does not."""
    sweeps = control.planted(targets, 1, 60, "test")
    weak = [by_strength(sweeps, t)[0.3].right for t in THRESHOLDS]
    assert weak[0] > 0.7
    assert weak[-1] == 0
    strong = [by_strength(sweeps, t)[1.0].right for t in THRESHOLDS]
    assert min(strong) > 0.9


def test_a_planted_heads_rows_sum_to_one_and_its_share_is_its_strength(targets: Targets) -> None:
    generator = torch.Generator().manual_seed(0)
    ideal = control._ideal("newline", targets)
    pattern = control._mixed(ideal, 0.7, generator)
    assert torch.allclose(pattern.sum(-1), torch.ones(pattern.shape[:2]))
    has_key = ideal.sum(-1) > 0
    on_keys = (pattern * (ideal > 0)).sum(-1)[has_key]
    assert (on_keys >= 0.7 - 1e-6).all()
