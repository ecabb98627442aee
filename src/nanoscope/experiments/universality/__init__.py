"""Do other trainings of the same recipe grow the same neurons? (Gurnee et al. 2024, arXiv 2401.12181)

    excess(n) = mean over the other trainings m of (max over j of corr(n, m_j) - max over j of corr(n, (R m)_j))

with R a random rotation of each layer's neurons; a neuron is universal where the excess is above 0.5. The control is an
untrained model; the method is validated on a hand-built model that shares half of its neurons with this one. Features of sparse
dictionaries are compared too, by their activations (Bricken et al. 2023).
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.universality import figures
from nanoscope.experiments.universality.claims import CLAIMS
from nanoscope.experiments.universality.measure import stages
from nanoscope.experiments.universality.page import PAGE
from nanoscope.experiments.universality.questions import QUESTIONS
from nanoscope.experiments.universality.setting import Params

EXPERIMENT = Experiment(
    module=__name__,
    question="Do other trainings grow the same neurons and features?",
    version=3,
    params=Params,
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"universality_neurons": figures.neurons, "universality_features": figures.features},
    figures_need={"universality_features": "features"},
    twinned=True,
)
