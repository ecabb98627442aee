"""Experiment 06: of which features is an activation made, and can a prediction be read as a graph of them?

Sparse dictionaries of the residual stream are trained here, several with other seeds and one on an untrained model of the same
shape, since a dictionary of random weights looks good too. Their features are tested for concepts as neurons are. Transcoders
of all MLPs give the graph of one prediction, whose edges are checked in the model.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.features import figures
from nanoscope.experiments.features.claims import CLAIMS
from nanoscope.experiments.features.measure import stages
from nanoscope.experiments.features.page import PAGE
from nanoscope.experiments.features.questions import QUESTIONS
from nanoscope.experiments.features.setting import Params

EXPERIMENT = Experiment(
    module=__name__,
    question="Of which features is the model's state made?",
    version=2,
    params=Params,
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "features_quality": figures.quality,
        "features_concepts": figures.concepts,
        "features_graph": figures.graph,
        "features_checks": figures.checks,
    },
    figures_need={"features_graph": "graph_nodes", "features_checks": "edges"},
)
