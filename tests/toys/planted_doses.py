"""A planted dose-response: trainings whose heads form when a law says so, as the comparison `doses` reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.doses.law import Law
from nanoscope.experiments.doses.measure import Params
from nanoscope.experiments.experiment import Group
from nanoscope.experiments.formation.measure import SHARES

LAW = Law(7.9, -1.5, 0.08)
"""Half have formed by iteration 1,470 at the whole dose, and by 3,600 at a dose of 0.55."""
PER_DOSE = 1.5
STEPS = tuple(range(0, 3601, 100))
When = Callable[[float, int], float]
"""(dose, seed) -> the iteration at which a head forms."""


def by_law(dose: float, seed: int) -> float:
    """The iterations of six seeds: six equally likely times of the planted law."""
    if dose == 0:
        return math.inf
    share = (seed - 0.5) / 6
    return LAW.median(math.log(PER_DOSE * dose)) * (share / (1 - share)) ** LAW.spread


def training(dose: float, seed: int, when: float, width: float = 0.05) -> Result:
    """A training whose best head's score rises to 0.9 as a logistic in log(iteration + 1), and is 0.3 at `when`."""
    middle = math.log1p(when) + width * math.log(2)
    rise = 0.9 / (1 + np.exp(-np.clip((np.log1p(STEPS) - middle) / width, -700, 700)))
    heads = np.zeros((len(STEPS), 2, 2, 2))
    heads[:, :, 1, 0] = rise[:, None] + [0.0, 0.01]
    accuracy = np.stack([0.02 + rise, 0.02 + 0 * rise], axis=1)[:, None]
    sweeps = {
        "heads": Sweep(heads, ("step", "length", "layer", "head"), "share", {"step": STEPS}),
        "behaviour": Sweep(accuracy, ("step", "measure", "run"), "share",
                           {"step": STEPS, "measure": ("accuracy",), "run": ("clean", "corrupt")}),
        "gain": Sweep(PER_DOSE * np.array(SHARES), ("dose",), "nats", {"dose": SHARES}),
    }  # fmt: skip
    settings = {
        "data": "echo",
        "seed": seed,
        "iterations": 3600,
        "step": 3600,
        **({"copied": dose} if dose < 1 else {}),
    }
    return Result("formation", {"of": [dose, seed]}, StoredSubject(f"dose {dose}, {seed}", training=settings), sweeps)


def group(doses: tuple[float, ...], when: When = by_law) -> Group:
    trainings = tuple(training(dose, seed, when(dose, seed)) for dose in doses for seed in Params().seeds)
    return Group("doses of copying", "seeds", trainings)


def sweeps(law: tuple[float, ...], held_out: bool = True, when: When = by_law) -> Mapping[str, Sweep]:
    """What is judged: the fitted doses, and the held-out ones if they were run, with a committed law or `()`."""
    params = Params(law=law)
    doses = (*params.fitted, *(params.held_out if held_out else ()))
    return open_experiment("doses").measure(group(doses, when), params)
