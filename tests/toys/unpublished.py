"""Sweeps for claims whose numbers no published result has yet; an entry goes when a study with them is published."""

from collections.abc import Mapping

import numpy as np
from toys import planted_doses

from nanoscope.evidence.sweep import Sweep

TRAININGS = ("seed 1", "seed 2", "seed 3", "seed 4")


def _layers_matched() -> Mapping[str, Sweep]:
    table = np.tile(np.array([[0.8, 0.1], [0.3, 0.8]]), (4, 4, 1, 1))
    return {
        "verdicts": Sweep(np.zeros((1, 4)), ("claim", "training"), "verdict", {"training": TRAININGS}),
        "layers_matched": Sweep(table, ("training", "other", "layer", "other_layer"), "cosine"),
    }


SWEEPS: Mapping[str, tuple[Mapping[str, Sweep], ...]] = {
    "replication.layers": (_layers_matched(),),
    "doses.foretold": (planted_doses.sweeps(tuple(planted_doses.LAW)),),
}
"""Claim -> sweeps that it is judged by."""
