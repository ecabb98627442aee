"""Experiment 01: do induction heads form, where are they, and do they do the work?

An induction head attends to the token that followed the current token's last occurrence and copies it (Elhage et al. 2021;
Olsson et al. 2022). The same code measures the trained model, the positive control and a hand-built model of known answer.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.induction import figures
from nanoscope.experiments.induction.claims import CLAIMS
from nanoscope.experiments.induction.measure import stages
from nanoscope.experiments.induction.page import PAGE
from nanoscope.experiments.induction.questions import QUESTIONS
from nanoscope.experiments.induction.setting import SETTINGS, Params

EXPERIMENT = Experiment(
    module=__name__,
    question="Do induction heads form, and do they do the work?",
    version=5,
    params=Params,
    settings=SETTINGS,
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "induction_patching_effects": figures.patching_effects,
        "induction_logit_lens": figures.logit_lens,
        "induction_attention": figures.attention,
        "induction_head_scores": figures.head_scores,
        "induction_behaviour": figures.behaviour,
        "induction_copying": figures.copying,
        "induction_prefixes": figures.prefixes,
        "induction_routes": figures.routes,
    },
    figures_need={
        "induction_copying": "copy_costs",
        "induction_prefixes": "prefix_text",
        "induction_routes": "route_inputs",
    },
)
