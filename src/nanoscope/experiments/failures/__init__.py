"""Experiment 04d: can circuit measurements predict where the model fails?

Logistic regressions predict, at each position, whether the model's first choice is wrong. The features are the model's own
confidence, the state of its copying and previous-token heads, that of random heads, and the text alone. Regressions are
fitted on one part of the held-out text and judged on another. Planted failures validate the method.
"""

from nanoscope.experiments.chapters import FINDING_4
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.failures import figures
from nanoscope.experiments.failures.claims import CLAIMS
from nanoscope.experiments.failures.measure import QUICK, Params, stages
from nanoscope.experiments.pages import plain_page

EXPERIMENT = Experiment(
    module=__name__,
    page=plain_page(__name__, FINDING_4, needs="this experiment on the model"),
    question="Can circuit measurements predict the model's failures?",
    version=2,
    params=Params,
    settings={"quick": QUICK},
    stages=stages,
    claims=CLAIMS,
    figures={"failures_auroc": figures.areas, "failures_states": figures.states},
)
