"""What the main model and trainings of another recipe do at the same loss: a longer training also lowers the loss, and most
effects move with it, so that the ends of two recipes tell apart two things at once.

The main model is read at the checkpoint whose held-out loss is nearest to the mean of the trainings at their ends. Windows of
text differ more than models do, so the trainings' ends are read in those windows that the checkpoints were measured on (if the
text is long enough for all the windows that are asked for; else some are others).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number
from nanoscope.experiments.profile.setting import HELD_OUT, spread
from nanoscope.statistics.intervals import seed_interval

EXPERIMENT, ALONG, LOSS = "profile", "along_loss", "loss"
WORTH = 0.1
"""Nats that a layer's heads or MLP are worth at the end, from which on they are shown."""


@dataclass(frozen=True)
class Matched:
    """Quantities of the main model at two checkpoints, and of the trainings at their ends."""

    step: int
    last: int
    quantities: tuple[str, ...]
    matched: Float[np.ndarray, "quantity"]
    end: Float[np.ndarray, "quantity"]
    trainings: Float[np.ndarray, "training quantity"]

    @property
    def table(self) -> str:
        """One row a quantity, in nats: the trainings by their mean and its interval. The last checkpoint has one column."""
        told = {f"at iteration {self.step:,}": self.matched} | {f"at iteration {self.last:,}": self.end}
        rows = []
        for at, (name, mine) in enumerate(zip(self.quantities, self.trainings.T, strict=True)):
            low, high = map(number, seed_interval(mine))
            rows.append(
                [name, *(number(values[at]) for values in told.values()), f"{number(mine.mean())} [{low}, {high}]"]
            )
        return table(["held-out text, nats", *told, "trainings at their ends"], rows)


def matched(study: Study) -> Matched | None:
    """None where there are no trainings of another recipe, or no checkpoints to choose from."""
    main = study.result(study.main, EXPERIMENT)
    others = [study.result(label, EXPERIMENT) for label in study.replicates if study.main not in study.replicates]
    if main is None or ALONG not in main.sweeps or sum(one is not None for one in others) < 2:
        return None
    along, ends = _along(main), [_at_end(one, main) for one in others if one is not None]
    steps = [int(step) for step in main.sweeps[ALONG].labels("step")]
    names = tuple(name for name in along if all(name in end for end in ends))
    at = int(np.abs(along[LOSS] - np.mean([end[LOSS] for end in ends])).argmin())
    chosen, last = (np.array([along[name][place] for name in names]) for place in (at, -1))
    return Matched(steps[at], steps[-1], names, chosen, last, np.array([[end[name] for name in names] for end in ends]))


def _along(result: Result) -> dict[str, Float[np.ndarray, "step"]]:
    """Quantities by name, at every checkpoint that was profiled."""
    losses, cuts, parts = (result.sweeps[name] for name in (ALONG, "along_context", "along_parts"))
    found = {LOSS: losses.sel(text=HELD_OUT).mean("window").values}
    for cut in cuts.labels("context"):
        found[_cut(cut)] = cuts.sel(text=HELD_OUT, context=cut).mean("window").values
    costs = {_without(name): parts.sel(set=name).mean("window").values for name in parts.labels("set")}
    return found | {name: cost for name, cost in costs.items() if cost[-1] >= WORTH}


def _at_end(result: Result, main: Result) -> dict[str, float]:
    """The same quantities of a training's last checkpoint, by name."""
    losses, cuts, parts = (result.sweeps[name].sel(text=HELD_OUT) for name in (LOSS, "context", "ablation"))
    few, fewer = (main.sweeps[name].values.shape[-1] for name in (ALONG, "along_parts"))
    found = {LOSS: _mean(losses.sel(predictor="model"), few)}
    found |= {_cut(cut): _mean(cuts.sel(context=cut), few) for cut in cuts.labels("context")}
    return found | {_without(name): _mean(parts.sel(set=name), fewer) for name in parts.labels("set")}


def _mean(by_window: Sweep, most: int) -> float:
    """The mean over at most so many windows at equal distances: the same ones that a checkpoint was measured on."""
    return float(spread(by_window.values, most).mean())


def _cut(length: object) -> str:
    return f"with the last {length} characters alone"


def _without(part: object) -> str:
    return f"without {part}"
