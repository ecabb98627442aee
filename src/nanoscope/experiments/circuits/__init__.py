"""Experiment 05: which connections carry what the model does?

Every edge (what one part writes and another reads) is taken from a text in which the answer is another, alone: its exact
effect. The best of them are a circuit, which is run alone, compared with random ones, and tested. Estimates by gradients are
judged by the exact effects, and both by hand-built models.
"""

from nanoscope.experiments.circuits import figures
from nanoscope.experiments.circuits.claims import CLAIMS
from nanoscope.experiments.circuits.measure import stages
from nanoscope.experiments.circuits.page import PAGE
from nanoscope.experiments.circuits.questions import QUESTIONS
from nanoscope.experiments.circuits.setting import SETTINGS, Params
from nanoscope.experiments.experiment import Experiment

EXPERIMENT = Experiment(
    module=__name__,
    question="Which connections carry what the model does?",
    version=2,
    params=Params,
    settings=SETTINGS,
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "circuits_diagram": figures.diagram,
        "circuits_curves": figures.curves,
        "circuits_tasks": figures.tasks,
        "circuits_estimates": figures.estimates,
        "circuits_known": figures.known,
        "circuits_training": figures.training,
    },
    figures_need={"circuits_known": "truth", "circuits_training": "training"},
)
