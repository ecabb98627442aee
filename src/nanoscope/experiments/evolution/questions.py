"""What a student asks about how trainings go."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does the previous-token head form at the same time in every training?",
        "evolution.timing",
        "it varies by {value} octaves of iterations between trainings",
        key=True,
    ),
)
