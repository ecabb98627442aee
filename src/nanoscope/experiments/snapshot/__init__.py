"""One checkpoint's scores, small enough to be taken at every checkpoint of a training; other experiments compare them."""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.snapshot.measure import Params, judge, measure

EXPERIMENT = Experiment(
    module=__name__,
    question="What can a checkpoint do, in a few numbers?",
    version=1,
    params=Params,
    measure=measure,
    judge=judge,
    claims=(),
    figures={},
)
