"""What a student asks about how trainings go."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does the previous-token head form at a similar time in all trainings?",
        "evolution.timing",
        "its iteration varies by {value} octaves (factors of two) between trainings, as a standard deviation",
    ),
)
