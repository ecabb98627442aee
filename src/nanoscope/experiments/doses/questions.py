"""What a student asks about the dose of copying."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Can one foretell from the training data when an induction head forms?",
        "doses.foretold",
        "a law of what copying could gain, fitted at other doses, foretells {right} of {n} held-out doses within its margins "
        "(a law that ignores the dose: {blind}); by it half of the trainings form one in time from {from_dose} on",
        key=True,
    ),
)
