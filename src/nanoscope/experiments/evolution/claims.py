"""Finding 4a, the claims, declared before any training of the canonical shape was measured. The unit is a training."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.evolution.judge import (
    abrupt_trainings,
    bigram_table_first,
    deviation_of_timing,
    previous_token_head_first,
)

MOST = Criterion(">=", 0.5)

CLAIMS = (
    Claim(
        id="evolution.stages",
        sentence="Most trainings come closest to a bigram table before they form a previous-token head.",
        relation="present",
        source="observed",
        criterion=MOST,
        evidence=bigram_table_first,
        null_is="none",
        figure="evolution_events",
        measured="In {count} of {n} trainings with a previous-token head, the distance to a bigram table is smallest "
        "before it forms, a share of {value} [{low}, {high}]",
    ),
    Claim(
        id="evolution.previous_first",
        sentence="In most trainings the previous-token head forms before copying begins.",
        relation="present",
        source="observed",
        criterion=MOST,
        evidence=previous_token_head_first,
        null_is="none",
        measured="In {count} of the {n} trainings in which both happen (of {all}), the previous-token head forms before "
        "copying begins, a share of {value} [{low}, {high}]",
    ),
    Claim(
        id="evolution.abrupt",
        sentence="In most trainings the previous-token head appears abruptly.",
        relation="present",
        source="observed",
        criterion=MOST,
        evidence=abrupt_trainings,
        null_is="none",
        measured="The previous-token head appears abruptly in {count} of the {n} trainings that form one, a share of {value} "
        "[{low}, {high}]",
    ),
    Claim(
        id="evolution.timing",
        sentence="The iteration at which the previous-token head forms varies by less than half an octave between trainings.",
        relation="equal",
        source="observed",
        criterion=Criterion("<=", 0.5),
        evidence=deviation_of_timing,
        null_is="at the same iteration",
        measured="The previous-token head is half formed at iterations "
        '{midpoints|each("{:,.0f}")}'
        ", with a standard deviation over trainings of {value} octaves [{low}, {high}]",
        clauses={"supported": ": its timing is reproducible"},
    ),
)
