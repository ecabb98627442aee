"""What a student asks about several trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do trainings that differ only in their seed put the same heads into the same layers?",
        "replication.layers",
        "the mean cosine of matched heads is {value|size} {value|side('higher', 'lower')} within a layer than across layers",
    ),
)
