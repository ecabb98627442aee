"""What a student asks about neurons across trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does another training grow the same neurons?",
        "universality.alike",
        "correlations with the best match in another training are {value|size} {value|side('higher', 'lower')} than by chance",
        key=True,
    ),
)
