"""What a student asks about the model's errors."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does its confidence predict its errors?",
        "failures.confidence",
        "with an AUROC of {value} (chance: 0.5)",
        key=True,
    ),
    Question(
        "Do its copying and previous-token heads say more than its confidence and the text?",
        "failures.beyond_text",
        "they add {value} to the AUROC, where {threshold} would be of use",
    ),
)
