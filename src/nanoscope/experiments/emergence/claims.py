"""Emergence, the claims. "Abrupt" is a convention fixed beforehand (methods.md 1.7): the logistic beats a line and a power
law by more than 10 BIC, and 10 to 90 % take less than a factor of 3 in iterations, by the logistic and by the curve itself
(that last condition came with version 4, when a head that forms in two steps had passed without it)."""

from functools import partial

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.emergence.events import (
    ABRUPT,
    CONTEXT,
    COPYING,
    FORMED,
    INDUCTION,
    MARGINS,
    PREVIOUS,
    REPEATED,
    WINS,
)
from nanoscope.experiments.emergence.judge import (
    delay_of_induction,
    factor_of_change,
    fall_in_repeated_passages,
    final_score,
    gain,
)

RISE = (
    "the score of {head} goes from 10 to 90 % between iterations {ten} and {ninety} (a logistic is {better} BIC better than a "
    "line and a power law){% if wins %}, a factor of {value} [{low}, {high}]{% else %}; without an advantage of "
    f"{WINS:g} BIC"
    " the change has no middle, and the whole training's factor counts: {value}{% endif %}"
)
IN_ORDER = '. In order: {events|each("{} ({:,.0f})")}'

CLAIMS = (
    Claim(
        id="emergence.forms",
        sentence="An induction head forms during training.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", FORMED),
        evidence=partial(final_score, INDUCTION),
        null_is="the same head before training",
        figure="emergence_onset",
        measured="The best induction head, {head}, ends at {value} above uniform attention [{low}, {high}], from {null} before "
        "training",
        clauses={"not supported": ": no induction head forms within {steps} iterations"},
    ),
    Claim(
        id="emergence.previous",
        sentence="A previous-token head forms during training.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", FORMED),
        evidence=partial(final_score, PREVIOUS),
        null_is="the same head before training",
        measured="The best previous-token head, {head}, ends at {value} above uniform attention [{low}, {high}]",
        clauses={"not supported": ": no previous-token head forms"},
    ),
    Claim(
        id="emergence.sharp",
        sentence="The induction head appears abruptly: from 10 to 90 % of the change within a factor of 3 in iterations.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", ABRUPT),
        evidence=partial(factor_of_change, INDUCTION),
        null_is="at once",
        measured=f"As induction forms, {RISE}",
        clauses={"supported": ": it appears abruptly"},
    ),
    Claim(
        id="emergence.sharp_previous",
        sentence="The previous-token head appears abruptly: from 10 to 90 % within a factor of 3 in iterations.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", ABRUPT),
        evidence=partial(factor_of_change, PREVIOUS),
        null_is="at once",
        measured=f"As attention to the previous token forms, {RISE}",
        clauses={"supported": ": it appears abruptly"},
    ),
    Claim(
        id="emergence.order",
        sentence="The previous-token head below the induction head is not later than it.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 1.0),
        evidence=delay_of_induction,
        null_is="at the same iteration",
        measured="The previous-token head {previous} is half formed at iteration {previous_step}, the induction head "
        "{induction} at iteration {induction_step}, which is {value} times as late [{low}, {high}]",
        clauses={"not supported": ": the previous-token head is the later one"},
    ),
    Claim(
        id="emergence.copying",
        sentence="A copy of random characters comes to help.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[COPYING]),
        evidence=partial(gain, COPYING),
        null_is="before training",
        measured="What a first copy of random characters gains changes by **{value} nats** [{low}, {high}]",
    ),
    Claim(
        id="emergence.icl",
        sentence="The in-context-learning score improves by 0.02 nats or more.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[CONTEXT]),
        evidence=partial(gain, CONTEXT),
        null_is="before training",
        measured="The in-context-learning score (loss late in the window minus loss early in it) falls by **{value} nats** "
        "[{low}, {high}] over the training",
    ),
    Claim(
        id="emergence.repeated",
        sentence="The loss falls further in passages that stood in the window before than in new ones.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[REPEATED]),
        evidence=fall_in_repeated_passages,
        null_is="before training",
        measured="Where the last five characters stood before in the window, the loss falls by **{value} nats** "
        "[{low}, {high}] more than in new passages",
        clauses={
            "supported": IN_ORDER,
            "not supported": f": less than the {{threshold}} that would count{IN_ORDER}",
            "undecided": f", which leaves it undecided (it takes {{criterion}}){IN_ORDER}",
        },
    ),
)
