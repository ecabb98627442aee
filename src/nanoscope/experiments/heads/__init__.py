"""Experiment 02: what does each attention head do?

Every head is scored for every class of attention, above chance and above its own positional attention. It is labelled by the
class that explains most of it, and examined by its weights. Heads are ablated one by one, by class, by layer and all together,
so that those that cover for one another are seen. Planted heads test the categoriser.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.heads import figures
from nanoscope.experiments.heads.claims import CLAIMS
from nanoscope.experiments.heads.measure import stages
from nanoscope.experiments.heads.page import PAGE
from nanoscope.experiments.heads.questions import QUESTIONS
from nanoscope.experiments.heads.setting import QUICK, Params

EXPERIMENT = Experiment(
    module=__name__,
    question="What does each attention head do?",
    version=4,
    params=Params,
    settings={"quick": QUICK},
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "heads_taxonomy": figures.taxonomy,
        "heads_grid": figures.grid,
        "heads_cards": figures.cards,
        "heads_ablation": figures.ablation,
        "heads_composition": figures.composition,
        "heads_planted": figures.planted,
        "heads_thresholds": figures.thresholds,
    },
    figures_need={"heads_thresholds": "planted_scores"},
)
