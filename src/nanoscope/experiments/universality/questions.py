"""What a student asks about neurons across trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does another training grow the same neurons?",
        "universality.some",
        "{count} of {n} neurons ({value|percent}) have a near twin in the other trainings",
        key=True,
    ),
    Question(
        "Are neurons of two trainings more alike than chance?",
        "universality.alike",
        "correlations with the best match are {value|size} {value|side('higher', 'lower')}",
    ),
    Question(
        "Does the method find neurons that two models share?",
        "universality.sees",
        "it is right about {value|percent(0)}, where {threshold} is asked",
    ),
)
