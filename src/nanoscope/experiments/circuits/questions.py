"""What a student asks about circuits."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do a few connections do what the model does?",
        "circuits.faithful",
        "{edges} of {total} edges keep {value|percent(0)} of the task {task}; the strongest are "
        "{strongest|each('{}')|join(', ')}",
        key=True,
    ),
    Question(
        "Are they a small part of the model?",
        "circuits.small",
        "{value|percent} of all edges are needed",
    ),
    Question(
        "Would other edges do as well?",
        "circuits.chance",
        "the circuit keeps {value|percent(0)} more of the behaviour than the best of {draws} random ones of its size",
        yes="not supported",
    ),
    Question(
        "Is anything missing from the circuit?",
        "circuits.complete",
        "with the same edges taken from both, circuit and model differ by {value|percent(0)}",
        yes="not supported",
    ),
    Question(
        "Are its edges the same in other examples?",
        "circuits.stable",
        "{value|percent(0)} of them on average, {always} of {edges} nearly always",
    ),
    Question(
        "Do gradients find them?",
        "circuits.estimate",
        "EAP-IG ranks edges as exact effects do with a correlation of {value}, the best estimate ({best}) with {best_value}",
    ),
    Question(
        "Does it use the character five places back?",
        "circuits.distance",
        "it shifts the logit difference by {value}; the furthest that counts is {furthest} back",
        key=True,
    ),
    Question(
        "Has each task a circuit of its own?",
        "circuits.own",
        "without its own a task loses {own|percent(0)}, without another task's {other|percent(0)}",
    ),
    Question(
        "Is the textbook account of induction all there is to it?",
        "circuits.textbook",
        "it keeps {value|percent(0)} of what the model knows, a refined account {refined|percent(0)}",
    ),
    Question(
        "Would the method find a circuit that is there?",
        "circuits.known",
        "exact effects find the edges of hand-built models with an AUROC of {value}",
    ),
)
