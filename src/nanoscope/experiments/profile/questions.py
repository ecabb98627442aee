"""What a student asks first: what does the model do?"""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does it read further back than sixteen tokens?",
        "profile.context",
        "with the last sixteen alone its loss is {value|size} nats {value|side('higher', 'lower')}",
        key=True,
    ),
    Question(
        "Does it need attention above the first layer?",
        "profile.layers",
        "without it the loss rises by {value} nats, without that of the first layer by {lowest}",
        key=True,
    ),
)
