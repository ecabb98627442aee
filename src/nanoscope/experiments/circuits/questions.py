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
        "Do gradients find them?",
        "circuits.estimate",
        "EAP-IG ranks edges as exact effects do with a correlation of {value}, the best estimate ({best}) with {best_value}",
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
)
