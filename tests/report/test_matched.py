"""Two recipes at the same loss: the right checkpoint is read, and on the same windows."""

from dataclasses import replace

import numpy as np
import pytest

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.report.matched import matched

STEPS = (0, 100, 5000)
LOSSES = {0: 4.0, 100: 2.0, 5000: 1.0}
PARTS = {"heads of L0": 0.9, "MLP0": 0.05}
TEXTS = ("held-out", "training")
EASE = np.array([0.0, 5.0, 9.0, 0.0, 7.0, 3.0])
"""What windows of text differ by: checkpoints are measured on every third of six."""


def _of(text: tuple[str, ...], name: str, labels: tuple, values: np.ndarray) -> Sweep:
    both = np.stack([values, values + 100])
    return Sweep(both, ("text", name, "window"), "nats", {"text": text, name: labels})


def _profile(subject: StoredSubject, loss: float, along: bool) -> Result:
    """A training whose cut costs a tenth of its loss, in windows of unequal difficulty."""
    sweeps = {
        "loss": _of(TEXTS, "predictor", ("model", "1-gram"), np.stack([loss + EASE, 9 + EASE])),
        "context": _of(TEXTS, "context", (4, 16), np.stack([loss / 10 + EASE, loss / 20 + EASE])),
        "ablation": _of(TEXTS, "set", tuple(PARTS), np.array([[loss * cost] * 6 for cost in PARTS.values()])),
    }
    if along:
        shots = [_profile(subject, at, False).sweeps for at in LOSSES.values()]
        held = [{key: sweep.sel(text="held-out").values[..., ::3] for key, sweep in one.items()} for one in shots]
        losses, cuts, parts = (np.stack([one[key] for one in held]) for key in ("loss", "context", "ablation"))
        sweeps |= {
            "along_loss": Sweep(
                np.stack([losses[:, 0], losses[:, 1]], 1), ("step", "text", "window"), "nats", {"step": STEPS, "text": TEXTS}
            ),
            "along_context": Sweep(
                np.stack([cuts, cuts + 100], 1), ("step", "text", "context", "window"), "nats",
                {"step": STEPS, "text": TEXTS, "context": (4, 16)},
            ),
            "along_parts": Sweep(parts, ("step", "set", "window"), "nats", {"step": STEPS, "set": tuple(PARTS)}),
        }  # fmt: skip
    return Result("profile", {}, subject, sweeps)


def _subject(family: str, seed: int) -> StoredSubject:
    return StoredSubject(f"{family}, seed {seed}", "model", family=family, seed=seed)


@pytest.fixture
def study() -> Study:
    main = _profile(_subject("long", 1), 1.0, True)
    return Study(
        "published", (main, *(_profile(_subject("short", seed), loss, False) for seed, loss in ((1, 1.8), (2, 2.1))))
    )


def test_the_checkpoint_with_the_loss_of_the_others_is_read_on_the_same_windows(study: Study) -> None:
    found = matched(study)
    assert found is not None
    assert (found.step, found.last) == (100, 5000)
    assert found.quantities == (
        "loss",
        "with the last 4 characters alone",
        "with the last 16 characters alone",
        "without heads of L0",
    )
    np.testing.assert_allclose(found.matched, [2.0, 0.2, 0.1, 1.8])
    np.testing.assert_allclose(found.end, [1.0, 0.1, 0.05, 0.9])
    np.testing.assert_allclose(found.trainings.mean(0), [1.95, 0.195, 0.0975, 1.755])
    assert "| loss | 2.00 | 1.00 | 1.95 [" in found.table


def test_nothing_is_matched_without_checkpoints_or_other_trainings(study: Study) -> None:
    main, *others = study.results
    alone = {name: sweep for name, sweep in main.sweeps.items() if not name.startswith("along")}
    assert matched(Study("published", (replace(main, sweeps=alone), *others))) is None
    assert matched(Study("published", (main, others[0]))) is None
