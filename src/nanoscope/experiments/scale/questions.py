"""What a student asks about size."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Can a model of one layer copy?",
        "scale.one_layer",
        "at its best width a copy improves its accuracy by {value}",
        yes="not supported",
        key=True,
    ),
    Question(
        "Can a model of two layers?",
        "scale.two_layers",
        "at width {width} a copy improves its accuracy by {value}",
    ),
    Question(
        "Does some size form an induction head on ordinary text?",
        "scale.text_heads",
        "the best head of any size is {value} above chance",
        yes="not supported",
    ),
    Question(
        "Does depth help on the text?",
        "scale.depth",
        "four layers instead of one lower the loss by {value} nats",
    ),
    Question(
        "Does width?",
        "scale.width",
        "width 256 instead of 64 lowers the loss by {value} nats",
    ),
)
