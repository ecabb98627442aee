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
        "Do MLPs write most of the prediction directly?",
        "lenses.writers",
        "they write {value|percent(0)} of the next character's logit; what heads pass on through MLPs counts as the MLPs'",
        key=True,
    ),
    Question(
        "Are settled predictions harder to change?",
        "lenses.meaningful",
        "resampling a later layer changes them {value} times as much as unsettled ones",
    ),
)
