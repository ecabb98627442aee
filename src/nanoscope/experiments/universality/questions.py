"""What a student asks about neurons across trainings."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do other trainings grow similar neurons?",
        "universality.alike",
        "a neuron's best match in another training correlates {value|size} {value|side('higher', 'lower')} than the best "
        "of rotated ones{% if count is defined %}, by more than 0.5 for {count} of {of}{% endif %}",
        key=True,
    ),
)
