"""Losses over the checkpoints of one training, in the order in which they were read."""

import toy_study

from nanoscope.experiments.experiment import Experiment, Group, Sweeps
from nanoscope.experiments.measuring import in_one_stage


def measure(group: Group, params: toy_study.Params) -> Sweeps:
    read = group.of("toy_snapshot")
    steps = [result.subject.step for result in read]
    assert steps == sorted(steps)
    assert all(result.subject.label.startswith(group.label) for result in read)
    assert group.about.seed in (1, 2)
    return toy_study.answer([float(result["values"].values[0]) for result in read])


EXPERIMENT = Experiment(
    __name__,
    "A toy?",
    1,
    toy_study.Params,
    in_one_stage(measure),
    toy_study.claims("toy_curve"),
    {},
    reads=("toy_snapshot",),
)
