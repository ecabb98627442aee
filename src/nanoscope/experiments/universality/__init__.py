"""Do other trainings of the same recipe grow the same neurons? (Gurnee et al. 2024, arXiv 2401.12181)

    excess(n) = mean over the other trainings m of (max over j of corr(n, m_j) - max over j of corr(n, (R m)_j))

with R a random rotation of each layer's neurons; a neuron is universal where the excess is above 0.5. The control is an
untrained model; the method is validated on a hand-built model that shares half of its neurons with this one.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage
from nanoscope.experiments.universality import figures
from nanoscope.experiments.universality.claims import CLAIMS
from nanoscope.experiments.universality.measure import Params, measure
from nanoscope.experiments.universality.page import PAGE
from nanoscope.experiments.universality.questions import QUESTIONS

EXPERIMENT = Experiment(
    module=__name__,
    question="Do other trainings grow the same neurons?",
    version=2,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"universality_neurons": figures.neurons},
    twinned=True,
)
