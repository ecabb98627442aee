"""What a student asks first: what does the model do?"""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does it read further back than sixteen tokens?",
        "profile.context",
        "from the last sixteen alone it loses {value} nats, and less than 0.01 from the last {reach}",
        key=True,
    ),
    Question(
        "Does it need attention above the first layer?",
        "profile.layers",
        "without it the model loses {value} nats, without that of the first layer {lowest}; {kept} of {heads} heads are "
        "enough for nine tenths of what all are worth",
        key=True,
    ),
    Question(
        "Does it know more than a table of n-grams?",
        "profile.tables",
        "its loss is {value|size} nats {value|side('below', 'above')} the best table's (the {best}), and at {same|percent(0)} "
        "of the places both have the same first choice",
        key=True,
    ),
)
