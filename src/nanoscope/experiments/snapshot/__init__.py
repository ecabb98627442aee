"""One checkpoint's scores, few enough to measure at every checkpoint of a training; other experiments compare them."""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage
from nanoscope.experiments.snapshot.measure import Params, measure

EXPERIMENT = Experiment(
    module=__name__,
    question="What can a checkpoint do, in a few numbers?",
    version=2,
    params=Params,
    settings={
        "quick": Params(sequences=8, windows=32, held_out=12_000),
        "large": Params(held_out=40_000),  # for a model of which each of dozens of checkpoints would take a minute
        "dense": Params(
            windows=48, held_out=12_000
        ),  # for hundreds of checkpoints of a model that was not trained on the text
    },
    stages=in_one_stage(measure),
    claims=(),
    figures={},
)
