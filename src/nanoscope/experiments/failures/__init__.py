"""Experiment 04d: can circuit measurements predict where the model fails?

Errors of the model's first choice are predicted, place by place, from its own confidence, from the state of its copying
and previous-token heads, from random heads, and from the text alone: regressions fitted on one part of the held-out text
and judged on another, with planted failures to show that the instrument can see.
"""

from nanoscope.experiments.chapters import FINDING_4
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.failures import figures
from nanoscope.experiments.failures.claims import CLAIMS
from nanoscope.experiments.failures.measure import QUICK, Params, measure
from nanoscope.experiments.pages import plain_page

EXPERIMENT = Experiment(
    module=__name__,
    page=plain_page(__name__, FINDING_4, needs="this experiment on the model"),
    question="Can circuit measurements predict the model's failures?",
    version=2,
    params=Params,
    settings={"quick": QUICK},
    measure=measure,
    claims=CLAIMS,
    figures={"failures_auroc": figures.areas, "failures_states": figures.states},
)
