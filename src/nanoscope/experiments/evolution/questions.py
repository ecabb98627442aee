"""What a student asks about how trainings go."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does a training first learn what a bigram table knows, and then a previous-token head?",
        "evolution.stages",
        "in {count} of {n} trainings",
        key=True,
    ),
    Question(
        "Does the previous-token head appear abruptly?",
        "evolution.abrupt",
        "in {count} of {n} trainings",
        key=True,
    ),
    Question(
        "At the same time in every training?",
        "evolution.timing",
        "it varies by {value} octaves of iterations between trainings",
    ),
    Question(
        "Does the previous-token head come before copying?",
        "evolution.previous_first",
        "in {count} of {n} trainings",
    ),
)
