"""When in training do induction heads appear? The same scores as experiment 01's, over the checkpoints of one training.

Within one training a head keeps its index, so the heads that are best at the end are followed back to the start.
"""

from nanoscope.experiments.emergence.claims import CLAIMS
from nanoscope.experiments.emergence.judge import judge
from nanoscope.experiments.emergence.measure import Params, measure
from nanoscope.experiments.experiment import Experiment
from nanoscope.plots import emergence as plots

EXPERIMENT = Experiment(
    name="emergence",
    question="When in training do induction heads appear?",
    version=2,
    params=Params,
    measure=measure,
    judge=judge,
    claims=CLAIMS,
    figures={"emergence_onset": plots.onset},
)
