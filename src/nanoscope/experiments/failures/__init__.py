"""Experiment 04d: can circuit measurements predict where the model fails?

Logistic regressions predict, at each position, whether the model's first choice is wrong. The features are the model's own
confidence, the state of its copying and previous-token heads, that of random heads, and the text alone. Regressions are
fitted on one part of the held-out text and judged on another. Of a model without such heads this is not asked. Errors planted
in a hand-built model, and effects of known size planted in the text at hand, show what the comparison can see.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.failures import figures
from nanoscope.experiments.failures.claims import CLAIMS
from nanoscope.experiments.failures.measure import QUICK, Params, stages
from nanoscope.experiments.failures.page import PAGE
from nanoscope.experiments.failures.questions import QUESTIONS

EXPERIMENT = Experiment(
    module=__name__,
    question="Can circuit measurements predict the model's failures?",
    version=3,
    params=Params,
    settings={"quick": QUICK},
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"failures_auroc": figures.areas, "failures_states": figures.states},
)
