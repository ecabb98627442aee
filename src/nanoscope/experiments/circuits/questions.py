"""What a student asks about circuits."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Do a few edges suffice for the task that it does best?",
        "circuits.faithful",
        "the best {asked} of {total} edges keep {value|percent(0)} of the task {task}; the strongest are "
        "{strongest|each('{}')|join(', ')}",
        key=True,
    ),
    Question(
        "Are they a small part of the model?",
        "circuits.small",
        "of the sizes tried the best {value|percent} of all edges are the first that suffice",
    ),
    Question(
        "Does EAP-IG, an estimate by gradients, rank edges as exact effects do?",
        "circuits.estimate",
        "its rank correlation with them is {value}; that of the best such estimate, {best}, is {best_value}",
    ),
    Question(
        "Has each task a circuit of its own?",
        "circuits.own",
        "removing its own costs a task {own|percent(0)}, removing another task's {other|percent(0)}",
    ),
    Question(
        "Is the textbook account of induction all there is to it?",
        "circuits.textbook",
        "it keeps {value|percent(0)} of what the model knows, a refined account {refined|percent(0)}",
    ),
)
