"""Experiment 03: how do predictions form, through the layers and through training?

Every layer's residual stream is read through the logit lens and a tuned lens, which is fitted until its held-out KL stops
falling. The predictions read there are compared with n-gram tables by three measures, and the nearest table is named where
the tables are known well enough. Each checkpoint's output is compared with the same tables.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.lenses import figures
from nanoscope.experiments.lenses.claims import CLAIMS
from nanoscope.experiments.lenses.measure import QUICK, Params, stages
from nanoscope.experiments.lenses.page import PAGE
from nanoscope.experiments.lenses.questions import QUESTIONS

EXPERIMENT = Experiment(
    module=__name__,
    question="How do predictions form, through the layers and through training?",
    version=4,
    params=Params,
    settings={"quick": QUICK},
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "lenses_formation": figures.formation,
        "lenses_ngrams": figures.ngrams,
        "lenses_settling": figures.settling,
        "lenses_training": figures.training,
        "lenses_writers": figures.writers,
        "lenses_example": figures.example,
    },
)
