"""What do the hidden units know? Which concepts they are selective for, which characters they predict, and their ablation.

Neurons are chosen on training text and reported on validation text, by what they read: before the activation function, where a
neuron that is strongly off on a concept is told from one that is on. The controls are shifted labels, random directions of the
same inputs, an untrained model and a linear probe. A neuron planted in a copy of the model validates the search.
"""

from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.neurons import figures
from nanoscope.experiments.neurons.claims import CLAIMS
from nanoscope.experiments.neurons.measure import QUICK, Params, stages
from nanoscope.experiments.neurons.page import PAGE
from nanoscope.experiments.neurons.questions import QUESTIONS

EXPERIMENT = Experiment(
    module=__name__,
    question="What do the hidden units know?",
    version=4,
    params=Params,
    settings={"quick": QUICK},
    stages=stages,
    claims=CLAIMS,
    questions=QUESTIONS,
    page=PAGE,
    figures={
        "neurons_concepts": figures.concepts,
        "neurons_thresholds": figures.thresholds,
        "neurons_cards": figures.cards_of_result,
        "neurons_statistics": figures.statistics,
        "neurons_ablation": figures.ablation,
    },
    figures_need={"neurons_thresholds": "aurocs"},
)
