"""Finding 4e: how does the formation of induction heads depend on how often copying pays?

The control's windows hold two random spans, of which the second is a copy of the first in a share of the windows: the dose. All
n-grams are the same at every dose. Six doses are trained, a law of formation is fitted to them (`law`) and committed
(`prediction`), and only then four further doses are trained, which the law has to foretell.
"""

from nanoscope.experiments.doses import figures
from nanoscope.experiments.doses.claims import CLAIMS
from nanoscope.experiments.doses.measure import Params, measure
from nanoscope.experiments.doses.page import PAGE
from nanoscope.experiments.doses.questions import QUESTIONS
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage

EXPERIMENT = Experiment(
    module=__name__,
    question="How does the formation of induction heads depend on how often copying pays?",
    version=1,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"doses_formation": figures.formation, "doses_curves": figures.curves},
    reads=("formation",),
)
