"""What a student asks about attention heads."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Is there a previous-token head?",
        "heads.previous",
        "{head} attends to the previous character {value|size} {value|side('above', 'below')} chance",
        key=True,
    ),
    Question(
        "Does a head look at what the text says?",
        "heads.tokens",
        "{head} attends to {cls} {value|size} {value|side('more', 'less')} than its distances alone explain",
    ),
    Question(
        "Does the model need its previous-token heads?",
        "heads.needed",
        "without all of them ({heads}) the loss rises by {together|size} nats, {value|size} {value|side('more', 'less')} than "
        "without as many others",
        key=True,
    ),
    Question(
        "Do weights tell which heads read one another?",
        "heads.pairs",
        "composition scores tell pairs that can compose from pairs that cannot with an AUROC of {value} (chance: 0.5)",
    ),
)
