"""Emergence, the claims. "Abrupt" is a convention fixed beforehand (methods.md 1.7): the logistic beats a line and a power
law by more than 10 BIC, and 10 to 90 % take less than a factor of 3 in iterations, by the logistic and by the curve itself
(that last condition came with version 4, when a head that forms in two steps had passed without it)."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

FORMED = Criterion(">=", 0.3)
ABRUPT = Criterion("<=", 3.0)
WINS = 10.0

CLAIMS = (
    Claim(
        id="emergence.forms",
        sentence="An induction head forms during training.",
        criterion=FORMED,
        null_is="the same head before training",
        figure="emergence_onset",
        prose={
            "supported": "{head} ends at {value} above uniform attention [{low}, {high}], from {null} before training.",
            "not supported": "No induction head forms within {steps} iterations: the best head, {head}, ends at {value} "
            "above uniform attention [{low}, {high}].",
            "undecided": "The best head, {head}, ends at {value} above uniform attention [{low}, {high}].",
        },
    ),
    Claim(
        id="emergence.previous",
        sentence="A previous-token head forms during training.",
        criterion=FORMED,
        null_is="the same head before training",
        prose={
            "supported": "The previous-token head {previous} ends at {value} above uniform attention [{low}, {high}].",
            "not supported": "No previous-token head forms: the best, {previous}, ends at {value} above uniform attention "
            "[{low}, {high}].",
            "undecided": "The best previous-token head, {previous}, ends at {value} above uniform attention [{low}, "
            "{high}].",
        },
    ),
    Claim(
        id="emergence.sharp",
        sentence="The induction head appears abruptly: from 10 to 90 % of the change within a factor of 3 in iterations.",
        criterion=ABRUPT,
        null_is="at once",
        prose={
            "supported": "{head} appears abruptly: its score goes from 10 to 90 % between {from} and {to} (a factor of {value} "
            "[{low}, {high}]; the logistic beats a line and a power law by {better} BIC).",
            "not supported": "{head} does not appear abruptly: its score goes from 10 to 90 % between {from} and {to} (the "
            "logistic's advantage over a line and a power law is {better} BIC).",
            "undecided": "Whether an induction head appears abruptly is not decided (10 % at {from}, 90 % at {to}).",
        },
    ),
    Claim(
        id="emergence.sharp_previous",
        sentence="The previous-token head appears abruptly: from 10 to 90 % within a factor of 3 in iterations.",
        criterion=ABRUPT,
        null_is="at once",
        prose={
            "supported": "The previous-token head appears abruptly, from 10 to 90 % between {previous_from} and {previous_to} "
            "(a factor of {value} [{low}, {high}]; {better} BIC better than a line and a power law).",
            "not supported": "The previous-token head does not appear abruptly: from 10 to 90 % between {previous_from} and "
            "{previous_to} (the logistic's advantage over a line and a power law is {better} BIC).",
            "undecided": "Whether the previous-token head appears abruptly is not decided (10 % at {previous_from}, 90 % at "
            "{previous_to}).",
        },
    ),
    Claim(
        id="emergence.order",
        sentence="The previous-token head below the induction head is not later than it.",
        criterion=Criterion(">=", 1.0),
        null_is="at the same iteration",
        prose={
            "supported": "The previous-token head {previous} is not later than {head}: half of each is there at {halves}.",
            "not supported": "The previous-token head {previous} is later than {head}: half of each is there at {halves}.",
            "undecided": "Which of {previous} and {head} is first is not decided (half of each is there at: {halves}).",
        },
    ),
    Claim(
        id="emergence.stages",
        sentence="The model comes closest to a bigram table before the previous-token head forms.",
        criterion=Criterion(">=", 1.0),
        null_is="at the same iteration",
        prose={
            "supported": "The model's distance to a bigram table is least at {bigram}, to a trigram table at {trigram}, and "
            "the previous-token head comes after the first (half of it: {previous_half}).",
            "not supported": "The previous-token head (half of it: {previous_half}) comes before the distance to a bigram "
            "table is least ({bigram}; trigram: {trigram}).",
            "undecided": "The model's distance to a bigram table is least at {bigram}, to a trigram table at {trigram}; "
            "whether the previous-token head comes later is not decided (half of it: {previous_half}).",
        },
    ),
    Claim(
        id="emergence.copying",
        sentence="A copy of random characters comes to help.",
        criterion=Criterion(">=", 0.1),
        null_is="before training",
        prose={
            "supported": "What a first copy of random characters gains grows by **{value} nats** [{low}, {high}].",
            "not supported": "What a first copy of random characters gains changes by {value} nats [{low}, {high}]: less than "
            "the {threshold} that would count.",
            "undecided": "What a first copy of random characters gains changes by {value} nats [{low}, {high}], which decides "
            "nothing.",
        },
    ),
    Claim(
        id="emergence.icl",
        sentence="The in-context-learning score improves by 0.02 nats or more.",
        criterion=Criterion(">=", 0.02),
        null_is="before training",
        prose={
            "supported": "The in-context-learning score (loss late in the window minus loss early in it) falls by **{value} "
            "nats** [{low}, {high}] over the training.",
            "not supported": "The in-context-learning score (loss late in the window minus loss early in it) falls by {value} "
            "nats [{low}, {high}]: less than the {threshold} that would count.",
            "undecided": "The in-context-learning score (loss late in the window minus loss early in it) falls by {value} nats "
            "[{low}, {high}] over the training, which decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="emergence.repeated",
        sentence="The loss falls further in passages that stood in the window before than in new ones.",
        criterion=Criterion(">=", 0.1),
        null_is="before training",
        prose={
            "supported": "Where the last five characters stood before in the window, the loss falls by **{value} nats** "
            "[{low}, {high}] more than in new passages. In order: {events}.",
            "not supported": "Where the last five characters stood before in the window, the loss falls no {threshold} nats "
            "further than in new passages (difference {value} [{low}, {high}]). In order: {events}.",
            "undecided": "Whether the loss falls further where the last five characters stood before in the window than in "
            "new passages is not decided (difference {value} nats [{low}, {high}]). In order: {events}.",
        },
    ),
)
