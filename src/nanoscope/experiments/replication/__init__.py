"""Finding 4c: what replicates across trainings that differ in their seed only?

The unit is a training. Verdicts are counted per claim, with exact intervals. Heads are matched by function and compared
with null assignments.
"""

from nanoscope.experiments.chapters import FINDING_4
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage
from nanoscope.experiments.pages import plain_page
from nanoscope.experiments.replication import figures
from nanoscope.experiments.replication.claims import CLAIMS
from nanoscope.experiments.replication.measure import READS, Params, measure

EXPERIMENT = Experiment(
    module=__name__,
    page=plain_page(__name__, FINDING_4, needs="several trainings"),
    question="What replicates across trainings?",
    version=4,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    figures={"replication_verdicts": figures.verdicts, "replication_heads": figures.heads},
    reads=READS,
)
