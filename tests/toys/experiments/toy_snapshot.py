"""The loss of one checkpoint."""

import toy_study
from nanoscope.experiments.toy_loss import loss

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage

EXPERIMENT = Experiment(
    __name__,
    "A toy?",
    1,
    toy_study.Params,
    in_one_stage(lambda subject, params: toy_study.answer([loss(subject, params)])),
    toy_study.claims("toy_snapshot"),
    {},
)
