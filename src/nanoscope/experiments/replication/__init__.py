"""Finding 4c: what replicates across trainings that differ in their seed only?

The unit is a training. Heads are matched by function, and compared with heads matched in the same way with another layer's.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage
from nanoscope.experiments.replication import figures
from nanoscope.experiments.replication.claims import CLAIMS
from nanoscope.experiments.replication.measure import READS, Params, measure
from nanoscope.experiments.replication.page import PAGE
from nanoscope.experiments.replication.questions import QUESTIONS

EXPERIMENT = Experiment(
    module=__name__,
    question="What replicates across trainings?",
    version=6,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"replication_verdicts": figures.verdicts, "replication_heads": figures.heads},
    reads=READS,
)
