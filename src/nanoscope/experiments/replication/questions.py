"""What a student asks about several trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do trainings that differ only in their seed put the same heads into the same layers?",
        "replication.layers",
        "heads matched within a layer are {value|side('more', 'less')} alike, by a cosine of {value|size}, than heads matched "
        "with another layer's",
        key=True,
    ),
)
