"""Finding 4a, the claim, declared before any training of the canonical shape was measured. The unit is a training.

In how many trainings one event precedes another, and how many are abrupt, is listed beside it (`page.py`).
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.evolution.judge import deviation_of_timing

CLAIMS = (
    Claim(
        id="evolution.timing",
        sentence="The iteration at which the previous-token head forms varies by less than half an octave between trainings.",
        relation="equal",
        source="observed",
        criterion=Criterion("<=", 0.5),
        evidence=deviation_of_timing,
        null_is="at the same iteration",
        figure="evolution_events",
        measured="The previous-token head is half formed at iterations "
        '{midpoints|each("{:,.0f}")}'
        ", with a standard deviation over trainings of {value} octaves [{low}, {high}]",
        clauses={"supported": ": its timing is reproducible"},
    ),
)
