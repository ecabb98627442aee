"""What a student asks about the checkpoints of one training."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does an induction head form during training?",
        "emergence.forms",
        "the best candidate ends at {value|size} {value|side('above', 'below')} chance, where {threshold} is asked",
    ),
    Question(
        "Does a previous-token head form?",
        "emergence.previous",
        "the best ends at {value|size} {value|side('above', 'below')} chance",
    ),
    Question(
        "Does it form abruptly?",
        "emergence.sharp_previous",
        "from 10 to 90 % of its change the iteration grows by a factor of {value}, where abrupt means {threshold} or less",
    ),
    Question(
        "Does the model come to use earlier parts of its context better?",
        "emergence.icl",
        "the in-context-learning score {value|side('falls', 'rises')} by {value|size} nats",
    ),
)
