"""What a student asks about induction."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Is there an induction head?",
        "induction.heads",
        "the best candidate, {head}, attends to what followed an earlier occurrence {value|size} "
        "{value|side('above', 'below')} chance, where an induction head takes {threshold}",
        key=True,
    ),
    Question(
        "Does it copy passages of real text?",
        "induction.natural",
        "after a copy of a passage its characters {value|side('gain', 'lose')} {value|size} nats each",
        key=True,
    ),
    Question(
        "Does it copy random characters?",
        "induction.accuracy",
        "it gets {clean|percent} of a second copy right, and {corrupt|percent} without a first one",
    ),
    Question(
        "Does a head look at the previous character?",
        "induction.previous_token",
        "{head} does so {value|size} {value|side('above', 'below')} chance, on random characters too",
    ),
    Question(
        "Do the best candidates do the copying?",
        "induction.localised",
        "their outputs alone restore {value|percent(0)} of what a first copy changes",
    ),
)
