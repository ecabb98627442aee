"""What a student asks about size."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Can a model of one layer copy?",
        "scale.one_layer",
        "at its best width a copy {value|side('improves', 'worsens')} its accuracy by {value|size}",
        yes="not supported",
        key=True,
    ),
    Question(
        "Can a model of two layers?",
        "scale.two_layers",
        "at width {width} a copy {value|side('improves', 'worsens')} its accuracy by {value|size}",
    ),
    Question(
        "Does some size form an induction head on ordinary text?",
        "scale.text_heads",
        "the best head of any size is {value|size} {value|side('above', 'below')} chance",
        yes="not supported",
    ),
    Question(
        "Does depth help on the text?",
        "scale.depth",
        "four layers instead of one {value|side('lower', 'raise')} the loss by {value|size} nats",
    ),
    Question(
        "Does width?",
        "scale.width",
        "width 256 instead of 64 {value|side('lowers', 'raises')} the loss by {value|size} nats",
    ),
)
