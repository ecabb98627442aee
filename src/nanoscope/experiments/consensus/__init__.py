"""Finding 5b: do trainings that differ in their seed only arrive at the same circuit?

The unit is a training. Circuits are compared edge by edge, after heads were matched by role.
"""

from nanoscope.experiments.consensus import figures
from nanoscope.experiments.consensus.claims import CLAIMS
from nanoscope.experiments.consensus.measure import Params, measure
from nanoscope.experiments.consensus.page import PAGE
from nanoscope.experiments.consensus.questions import QUESTIONS
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage

EXPERIMENT = Experiment(
    module=__name__,
    question="Do other trainings arrive at the same circuit?",
    version=1,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"consensus_edges": figures.edges, "consensus_formation": figures.formation},
    figures_need={"consensus_formation": "formed"},
    reads=("circuits",),
)
