"""What a student asks about attention heads."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do most heads have a job that has a name?",
        "heads.classified",
        "{count} of {n} heads fall into a class",
        key=True,
    ),
    Question(
        "Is there a previous-token head?",
        "heads.previous",
        "{head} attends to the previous character {value|size} {value|side('above', 'below')} chance",
        key=True,
    ),
    Question(
        "Does a head look a fixed distance further back?",
        "heads.offsets",
        "{head} ({cls}) does, {value|size} {value|side('above', 'below')} chance",
    ),
    Question(
        "Does a head look at what the text says?",
        "heads.tokens",
        "{head} attends to {cls} {value|size} {value|side('more', 'less')} than its distances alone explain",
    ),
    Question(
        "Do the heads of the largest class matter most?",
        "heads.ablation",
        "without them the loss rises by {value|size} nats {value|side('more', 'less')} than without others of their layers",
    ),
)
