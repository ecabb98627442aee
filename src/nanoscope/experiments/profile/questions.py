"""What a student asks first: what does the model do?"""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does what stands more than sixteen tokens back help it?",
        "profile.context",
        "with the last sixteen alone its loss is {value|size} nats {value|side('higher', 'lower')} on held-out text, "
        "{training|size} {training|side('higher', 'lower')} on the text that it was trained on",
        key=True,
    ),
    Question(
        "Does it need attention above the first layer?",
        "profile.layers",
        "without it the loss rises by {value} nats, without that of the first layer by {lowest}",
        key=True,
    ),
)
