"""What a student asks about hidden units."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Is there a neuron for most of what a reader would name?",
        "neurons.selective",
        "{count} of {n} concepts have one",
    ),
    Question(
        "Would the search find a neuron that is there?",
        "neurons.planted",
        "one planted in a copy of the model comes out first, with an AUROC of {auroc}",
    ),
    Question(
        "Are nearly all neurons in use?",
        "neurons.dead",
        "{count} of {n} never fire",
    ),
)
