"""Finding 4c, from numbers to evidence. The unit is a training."""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.statistics.intervals import pair_interval


def functions_by_layer(sweeps: Sweeps) -> Evidence:
    """Cosine of heads matched within their own layer minus that of heads matched with another layer's, over pairs of trainings.

    Both are matched in the same way: the null has the same freedom.
    """
    trainings = len(sweeps["verdicts"].labels("training"))
    if "layers_matched" not in sweeps:
        why = (
            "this version did not measure it"
            if "agreement" in sweeps
            else "the heads of some training were not measured"
        )
        return Evidence.too_little(why, trainings, "trainings")
    matched = sweeps["layers_matched"].values
    own = np.eye(matched.shape[-1], dtype=bool)
    if own.all():
        return Evidence.not_applicable("there is one layer only", trainings, "trainings")
    same, other = matched[..., own].mean(-1), matched[..., ~own].mean(-1)
    more = same - other
    facts: dict[str, Fact] = {"same": float(np.nanmean(same))}
    return Evidence(
        float(np.nanmean(more)), pair_interval(more), trainings, "trainings", float(np.nanmean(other)), facts
    )
