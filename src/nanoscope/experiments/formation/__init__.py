"""When an induction head forms in one training of the control, in a few numbers a checkpoint; `doses` compares many of these.

Also measured is what copying could gain on the control's windows at every dose, a property of the data alone: the table of
n-grams is counted on windows without copies, whose n-grams are those of any dose, and the mixture is judged on validation text.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.formation.measure import Params, measure
from nanoscope.experiments.measuring import in_one_stage

EXPERIMENT = Experiment(
    module=__name__,
    question="When does an induction head form in a training of the control?",
    version=1,
    params=Params,
    stages=in_one_stage(measure),
    claims=(),
    figures={},
)
