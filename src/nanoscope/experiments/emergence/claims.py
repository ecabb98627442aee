"""Emergence, the claims: their criteria, and the words for the results.

"Abrupt" is a convention fixed beforehand (docs/methods/training.md): a logistic beats a line and a power law by more than
10 BIC, and 10 to 90 % of the change take less than a factor of 3 in iterations, both by the logistic and by the curve
itself. The curve's own condition was added in version 4, because a head that forms in two steps had passed without it.
"""

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
    "the score of {head} goes from 10 to 90 % of its change between iterations {ten} and {ninety} (a logistic fits {better} "
    "BIC better than a line and a power law){% if wins %}, a factor of {value} [{low}, {high}]{% else %}; without an advantage "
    f"of {WINS:g} BIC"
    " the change has no clear midpoint, so the factor of the whole training is used: {value}{% endif %}"
)
IN_ORDER = '. Order of events: {events|each("{} ({:,.0f})")}'

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
        measured="The best induction head, {head}, ends at {value} above uniform attention [{low}, {high}], against {null} "
        "before training",
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
        sentence="The previous-token head below the induction head does not form later than it.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 1.0),
        evidence=delay_of_induction,
        null_is="at the same iteration",
        measured="The previous-token head {previous} is half formed at iteration {previous_step}, the induction head "
        "{induction} at iteration {induction_step}: {value} times as late [{low}, {high}]",
        clauses={"not supported": ", so the previous-token head forms later"},
    ),
    Claim(
        id="emergence.copying",
        sentence="During training, a copy of random characters comes to improve their prediction.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[COPYING]),
        evidence=partial(gain, COPYING),
        null_is="before training",
        measured="The gain from a first copy of random characters changes over the training by **{value} nats** "
        "[{low}, {high}]",
    ),
    Claim(
        id="emergence.icl",
        sentence="The in-context-learning score improves by 0.02 nats or more.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[CONTEXT]),
        evidence=partial(gain, CONTEXT),
        null_is="before training",
        measured="The fall of the in-context-learning score (loss late in the window minus loss early in it) over the training "
        "is **{value} nats** [{low}, {high}]",
    ),
    Claim(
        id="emergence.repeated",
        sentence="The loss falls more in passages that occurred earlier in the window than in new ones.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[REPEATED]),
        evidence=fall_in_repeated_passages,
        null_is="before training",
        withdrawn="repeated passages end in harder places, for an n-gram table too",
        measured="Compared with new passages, the extra fall of the loss where the last five characters occurred earlier in "
        "the window is **{value} nats** [{low}, {high}]",
        clauses={
            "supported": IN_ORDER,
            "not supported": f": below the required {{threshold}}{IN_ORDER}",
            "straddles the criterion": f", which does not decide it (criterion: {{criterion}}){IN_ORDER}",
        },
    ),
)
