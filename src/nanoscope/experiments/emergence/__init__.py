"""When in training do induction heads and related abilities appear? Snapshots of one training, compared over its steps.

Within one training a head keeps its index, so the heads that are best at the end are traced back to the start.
"""

from nanoscope.experiments.emergence import figures
from nanoscope.experiments.emergence.claims import CLAIMS
from nanoscope.experiments.emergence.measure import Params, measure
from nanoscope.experiments.emergence.page import PAGE
from nanoscope.experiments.emergence.questions import QUESTIONS
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage

EXPERIMENT = Experiment(
    module=__name__,
    question="When in training do induction heads appear, and what else does?",
    version=8,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"emergence_onset": figures.onset, "emergence_heads": figures.every_head},
    reads=("snapshot",),
    of_training=True,
)
