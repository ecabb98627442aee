"""A study small enough for a test, with experiments of its own: on an end, on checkpoints, over checkpoints, over models.

Processes other than the tests' own learn of the experiments by unpickling `Params`, which imports this module.
"""

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from nanoscope import experiments
from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion, Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.model.config import GPTConfig
from nanoscope.studies import plan
from nanoscope.studies.members import ComparisonPlan, Member, StudyDesign
from nanoscope.text.corpora import Corpus
from nanoscope.training.recipe import Recipe

FOLDER = Path(__file__).parent / "experiments"
NAMES = ("toy_loss", "toy_snapshot", "toy_curve", "toy_seeds")
RECIPE = Recipe(
    GPTConfig(n_layer=1, n_head=2, n_embd=16, block_size=24),
    iterations=12,
    batch_size=4,
    eval_every=4,
    eval_windows=4,
    dense_until=0,
    checkpoint_every=4,
)


@dataclass(frozen=True)
class Params:
    """One setting for all toys."""

    windows: int = 6


def register() -> None:
    experiments.__path__.append(str(FOLDER))
    experiments.EXPERIMENTS += NAMES
    plan.PER_CHECKPOINT = ("toy_snapshot",)


if "pytest" not in sys.modules or multiprocessing.parent_process() is not None:
    register()


def study(params: Params = Params()) -> StudyDesign:
    """Two seeds and the planted model; the toy that reads a toy that reads a toy comes first, on purpose."""
    measured = {"toy_curve": params, "toy_loss": params, "toy_snapshot": params}
    members = [
        Member(f"toy-{seed}", f"toy {seed}", "model", _recipe(seed), measured, family="the toys") for seed in (1, 2)
    ]
    planted = Member("planted", "the planted model", "planted", None, {"toy_loss": params})
    return StudyDesign(
        "toy", (*members, planted), (ComparisonPlan("toy_seeds", "both toys", ("toy-1", "toy-2"), params),)
    )


def _recipe(seed: int) -> Recipe:
    """TOY_ITERATIONS makes a training long enough to be caught in the middle."""
    return replace(RECIPE, seed=seed, iterations=int(os.environ.get("TOY_ITERATIONS", "12")))


def excerpt() -> Corpus:
    text = Path(os.environ["NANOSCOPE_DATA"]).read_bytes().decode()
    return Corpus("excerpt", text[:30_000])


def claims(name: str) -> tuple[Claim, ...]:
    one = Claim(
        id=f"{name}.value",
        sentence="It is small.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 3.0),
        evidence=lambda sweeps: _sum(sweeps["values"]),
        null_is="nothing",
        measured="It is {value}",
    )
    return one, replace(one, id=f"{name}.seconds", evidence=lambda sweeps: _sum(sweeps["clock"]), kind="timing")


def _sum(sweep: Sweep) -> Evidence:
    value = float(sweep.values.sum())
    return Evidence(value, (value, value), 1, "toys", 0.0)


def answer(values: list[float]) -> Sweeps:
    import numpy as np

    return {"values": Sweep(np.array(values), ("one",), "nats"), "clock": Sweep(np.array(os.times()), ("one",), "s")}


def findings(folder: Path) -> dict[str, list[dict]]:
    """All that a study found, but for timings, by stage kind and result."""
    import json

    from nanoscope.evidence.result import load_result

    listed = json.loads((folder / "study.json").read_text())
    results = [load_result(folder / "results" / key) for key in listed["results"] + listed["snapshots"]]
    return {r.key: [f.to_json() for f in r.findings if f.kind != "timing"] for r in results}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
