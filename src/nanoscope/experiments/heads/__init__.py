"""Experiment 02: what does each attention head do?

Every head is scored in every class of attention, beyond what chance and its own positions would give, named by what
explains most of it, and judged by its weights and by what is lost without it. Planted heads test the categoriser.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.heads.claims import CLAIMS
from nanoscope.experiments.heads.judge import judge
from nanoscope.experiments.heads.measure import Params, measure
from nanoscope.plots import heads as plots

EXPERIMENT = Experiment(
    module=__name__,
    question="What does each attention head do?",
    version=2,
    params=Params,
    measure=measure,
    judge=judge,
    claims=CLAIMS,
    figures={
        "heads_taxonomy": plots.taxonomy,
        "heads_grid": plots.grid,
        "heads_cards": plots.cards,
        "heads_ablation": plots.ablation,
        "heads_composition": plots.composition,
        "heads_planted": plots.planted,
    },
)
