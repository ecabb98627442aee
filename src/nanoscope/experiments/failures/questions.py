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
        "Is it as sure as it is right?",
        "failures.calibrated",
        "it is {sure|percent(0)} sure and {right|percent(0)} right",
    ),
    Question(
        "Do its copying and previous-token heads say more than its confidence?",
        "failures.adds",
        "they add {value} to the AUROC, where {threshold} would be of use",
    ),
    Question(
        "Would a failure of a copying head be seen?",
        "failures.sees",
        "planted in a hand-built model, it adds {value} to the AUROC",
    ),
)
