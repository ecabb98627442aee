"""Finding 4c, the claim. The unit is a training.

It was declared after the first study, in the place of counts of equal verdicts: those count distances from thresholds, and the
best assignment of heads exceeds the mean of all assignments whenever heads differ at all.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.replication.judge import functions_by_layer

CLAIMS = (
    Claim(
        id="replication.layers",
        sentence="Heads of a layer match those of the same layer of another training better than those of another layer.",
        relation="equal",
        source="observed",
        criterion=Criterion(">=", 0.1),
        evidence=functions_by_layer,
        null_is="heads matched in the same way with those of another layer",
        figure="replication_heads",
        measured="Heads matched by what they attend to have a cosine of {same} within the same layer of another training and "
        "of {null} with another layer: a difference of **{value}** [{low}, {high}] over pairs of {n} trainings",
        clauses={"not supported": ": less than {threshold}, so a layer tells little of what its heads do"},
    ),
)
