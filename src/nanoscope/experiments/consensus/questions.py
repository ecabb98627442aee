"""What a student asks about circuits of several trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do other trainings arrive at the same circuit?",
        "consensus.matched",
        "two trainings share {value|percent(0)} of their edges, with heads matched by what they attend to; circuits of random "
        "edges share {random|percent(0)}",
    ),
)
