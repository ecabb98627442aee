"""What a student asks about size."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Can a model of one layer copy?",
        "scale.one_layer",
        "at its best width a copy {value|side('improves', 'worsens')} its accuracy by {value|size}",
        yes="not supported",
    ),
    Question(
        "Does a deep and narrow model predict the text better than a wide one of as many parameters?",
        "scale.shape",
        "after the same training, {deep} layers instead of {shallow} {value|side('lower', 'raise')} the loss by {value|size} "
        "nats",
    ),
)
