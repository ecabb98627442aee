"""Experiment 03: how do predictions form, through the layers and through training?

Every layer's residual stream is read through the logit lens and a tuned lens, and compared with n-gram tables: how much
context would a table need to know that much? The whole model is compared with the same tables at each checkpoint.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.lenses.claims import CLAIMS
from nanoscope.experiments.lenses.judge import judge
from nanoscope.experiments.lenses.measure import Params, measure
from nanoscope.plots import lenses as plots

EXPERIMENT = Experiment(
    module=__name__,
    question="How do predictions form, through the layers and through training?",
    version=2,
    params=Params,
    measure=measure,
    judge=judge,
    claims=CLAIMS,
    figures={
        "lenses_formation": plots.formation,
        "lenses_ngrams": plots.ngrams,
        "lenses_settling": plots.settling,
        "lenses_training": plots.training,
        "lenses_writers": plots.writers,
        "lenses_example": plots.example,
    },
)
