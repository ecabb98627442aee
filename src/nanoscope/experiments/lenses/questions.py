"""What a student asks about how predictions form."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does it predict better than a table of n-grams?",
        "lenses.beyond",
        "its loss is {value|size} nats per character {value|side('below', 'above')} that of the best table, n = {best}",
        key=True,
    ),
    Question(
        "Do the MLPs, not the heads, write the prediction?",
        "lenses.writers",
        "they write {value|percent(0)} of the next character's logit directly",
        key=True,
    ),
    Question(
        "Is a prediction that looks settled really settled?",
        "lenses.meaningful",
        "a disturbed later layer changes it {value} times as much as one that is not settled",
    ),
)
