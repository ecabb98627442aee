"""What a student asks about induction."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Is there an induction head?",
        "induction.heads",
        "the best candidate, {head}, attends to what followed an earlier occurrence {value|size} "
        "{value|side('above', 'below')} chance; the criterion is {threshold}",
        key=True,
    ),
    Question(
        "Does it copy in real text?",
        "induction.long_match",
        "where a match of five characters is right about the next, overwriting what it would copy "
        "{value|side('costs', 'saves')} {value|size} nats more than overwriting as many others; the criterion is {threshold}",
        key=True,
    ),
    Question(
        "Does it copy random characters?",
        "induction.accuracy",
        "it gets {clean|percent} of a second copy right, and {corrupt|percent} without a first one",
    ),
    Question(
        "Is every head blind to earlier occurrences?",
        "induction.absent",
        "the most that any head attends to what followed one is {value|size} {value|side('above', 'below')} chance "
        "({head}, in {where})",
    ),
    Question(
        "Do the best candidates do the copying?",
        "induction.localised",
        "their outputs alone restore {value|percent(0)} of what a first copy changes",
    ),
)
