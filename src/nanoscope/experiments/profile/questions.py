"""What a student asks first: what does the model do?"""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does it read further back than sixteen tokens?",
        "profile.context",
        "with the last sixteen alone its loss is {value|size} nats {value|side('higher', 'lower')}; to lose less than 0.01 it "
        "needs {% if reach.startswith('more') %}{reach}{% else %}no more than {reach}{% endif %}",
        key=True,
    ),
    Question(
        "Does it need attention above the first layer?",
        "profile.layers",
        "without it the model loses {value} nats, without that of the first layer {lowest}; {kept} of {heads} heads are "
        "enough for nine tenths of what all are worth",
        key=True,
    ),
)
