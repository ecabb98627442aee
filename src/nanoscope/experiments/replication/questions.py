"""What a student asks about several trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do trainings that differ only in their seed give the same findings?",
        "replication.findings",
        "{same} of {n} claims come out alike in all {trainings}",
        key=True,
    ),
    Question(
        "Do most form an induction head?",
        "replication.induction",
        "{count} of {n}",
    ),
    Question(
        "Do most form a previous-token head?",
        "replication.previous",
        "{count} of {n}",
    ),
    Question(
        "Does a head's number mean anything across trainings?",
        "replication.index",
        "heads of the same number are more alike by a cosine of {value} than any two of the layer",
        yes="not supported",
    ),
)
