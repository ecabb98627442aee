"""The curves of several trainings, one after another."""

import toy_study

from nanoscope.experiments.experiment import Experiment, Group, Sweeps
from nanoscope.experiments.measuring import in_one_stage


def measure(group: Group, params: toy_study.Params) -> Sweeps:
    return toy_study.answer([float(value) for result in group.of("toy_curve") for value in result["values"].values])


EXPERIMENT = Experiment(
    __name__,
    "A toy?",
    1,
    toy_study.Params,
    in_one_stage(measure),
    toy_study.claims("toy_seeds"),
    {},
    reads=("toy_curve",),
)
