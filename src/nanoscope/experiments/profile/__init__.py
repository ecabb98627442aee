"""Experiment 00: what does the model do?

Before any part is explained: how far back the model reads, which layers' heads and MLPs it cannot do without, how few heads
are enough, and how far it predicts as a table of n-grams does. On held-out text and on the training text; and when in the
training all this came about.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.profile import figures
from nanoscope.experiments.profile.claims import CLAIMS
from nanoscope.experiments.profile.measure import stages
from nanoscope.experiments.profile.page import PAGE
from nanoscope.experiments.profile.questions import QUESTIONS
from nanoscope.experiments.profile.setting import QUICK, Params

EXPERIMENT = Experiment(
    module=__name__,
    question="What does the model do?",
    version=2,
    params=Params,
    settings={"quick": QUICK, "end": Params(checkpoints=0)},
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "profile_parts": figures.parts,
        "profile_heads": figures.heads,
        "profile_tables": figures.tables,
        "profile_training": figures.training,
    },
    figures_need={"profile_training": "along_loss"},
)
