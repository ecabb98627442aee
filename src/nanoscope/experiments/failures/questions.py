"""What a student asks about the model's errors."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does the model know when it is wrong?",
        "failures.confidence",
        "its own confidence tells its errors with an AUROC of {value}, where 0.5 is a coin",
        key=True,
    ),
    Question(
        "Do its copying and previous-token heads say more than its confidence and the text?",
        "failures.beyond_text",
        "they add {value} to the AUROC, where {threshold} would be of use",
    ),
)
