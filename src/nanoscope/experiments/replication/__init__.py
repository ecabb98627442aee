"""Finding 4c: what replicates across trainings that differ in their seed only?

The unit is a training. Verdicts are counted per claim, with exact intervals; heads are matched by function, against nulls.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.replication.claims import CLAIMS
from nanoscope.experiments.replication.judge import judge
from nanoscope.experiments.replication.measure import READS, Params, measure
from nanoscope.plots import replication as plots

EXPERIMENT = Experiment(
    module=__name__,
    question="What replicates across trainings?",
    version=3,
    params=Params,
    measure=measure,
    judge=judge,
    claims=CLAIMS,
    figures={"replication_verdicts": plots.verdicts, "replication_heads": plots.heads},
    reads=READS,
)
