"""What a student asks about hidden units."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Is there a neuron for most of what a reader would name?",
        "neurons.selective",
        "{count} of {n} concepts have one; as many random directions tell {directions}",
    ),
    Question(
        "Are neurons better at it than other directions?",
        "neurons.basis",
        "the best neuron's AUROC lies {value|size} {value|side('above', 'below')} that of the best random direction",
    ),
    Question(
        "Are those neurons needed?",
        "neurons.ablation",
        "without one of them the loss rises, where it is active, by {value|size} nats {value|side('more', 'less')} than "
        "without a random one",
    ),
)
