"""What a student asks about the checkpoints of one training."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does an induction head form during training?",
        "emergence.forms",
        "the best candidate ends at {value|size} {value|side('above', 'below')} chance, where {threshold} is asked",
    ),
    Question(
        "Does the model come to use earlier parts of its context better?",
        "emergence.icl",
        "what they are worth late in a window {value|side('grows', 'shrinks')} by {value|size} nats",
    ),
    Question(
        "Does it gain from passages that it has read before?",
        "emergence.repeated",
        "{value|size} nats {value|side('more', 'less')} than a table without memory that is as good elsewhere",
    ),
)
