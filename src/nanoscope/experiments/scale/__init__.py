"""Finding 4b: how small can a model be and still have a capability?

Each cell of the grid is a depth, a width and a task. It is trained with several seeds, and a snapshot measures the end of
each training. A size has a capability if all its trainings pass the threshold. A training takes 6 N T FLOPs for N
non-embedding parameters and T tokens, plus 12 L D C T for attention over a context of C, with L layers of width D (Kaplan
et al. 2020, arXiv 2001.08361; the backward pass takes twice the forward pass).
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.measuring import in_one_stage
from nanoscope.experiments.scale import figures
from nanoscope.experiments.scale.claims import CLAIMS
from nanoscope.experiments.scale.measure import Params, measure
from nanoscope.experiments.scale.page import PAGE
from nanoscope.experiments.scale.questions import QUESTIONS

EXPERIMENT = Experiment(
    module=__name__,
    question="How small can a model be and still have a capability?",
    version=4,
    params=Params,
    stages=in_one_stage(measure),
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={"scale_capabilities": figures.capabilities, "scale_loss": figures.loss},
    reads=("snapshot",),
)
