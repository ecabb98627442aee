"""Finding 4a: how do circuits evolve during training, and do all trainings follow the same course?

The unit is a training. Each has its own curves and events (the emergence experiment); claims count or average over trainings.
"""

from nanoscope.experiments.evolution import figures
from nanoscope.experiments.evolution.claims import CLAIMS
from nanoscope.experiments.evolution.measure import Params, measure
from nanoscope.experiments.evolution.page import PAGE
from nanoscope.experiments.evolution.questions import QUESTIONS
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage

EXPERIMENT = Experiment(
    module=__name__,
    question="How do circuits evolve, and do all trainings go the same way?",
    version=5,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"evolution_curves": figures.bands, "evolution_events": figures.timeline},
    reads=("emergence",),
)
