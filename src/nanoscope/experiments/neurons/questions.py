"""What a student asks about hidden units."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do most of the concepts tried have a neuron that is selective for them?",
        "neurons.selective",
        "{count} of {n} have one; as many random directions tell {directions}, an untrained model's neurons {untrained}",
    ),
    Question(
        "Are neurons more selective than random directions?",
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
