"""Finding 4c, the claims, fixed before any two trainings were compared. The unit is a training."""

from functools import partial

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.replication.judge import (
    claims_with_one_verdict,
    previous_token_heads_in_the_first_half,
    similarity_by_index,
    trainings_that_form,
)

MOST = Criterion(">=", 0.5)
DIFFERENCES = (
    ". Undecided in all trainings: {open}. Of the {decided} that are decided in some training, {agreed} get the same verdict "
    "in all. Those that differ: {differ}. Supported in one training and not supported in another: {opposed}. Claims are not "
    "independent, so the interval is too narrow"
)
FORMED = (
    "in {count} of {n} trainings{% if undecided %}, undecided in {undecided}{% endif %} (a share of {value} "
    "[{low}, {high}])"
)

CLAIMS = (
    Claim(
        id="replication.findings",
        sentence="Most claims get the same verdict in every training.",
        relation="equal",
        source="observed",
        criterion=MOST,
        evidence=claims_with_one_verdict,
        null_is="verdicts drawn independently, with the observed frequencies",
        figure="replication_verdicts",
        measured="**{same} of {n} claims** get the same verdict in all {trainings} trainings ({value|percent(0)}, 95 % "
        "interval {low|percent(0)} to {high|percent(0)})",
        clauses={
            "supported": DIFFERENCES,
            "not supported": f": fewer than half{DIFFERENCES}",
            "straddles the criterion": f", which does not decide whether most do{DIFFERENCES}",
        },
    ),
    Claim(
        id="replication.induction",
        sentence="More than half of such trainings form an induction head.",
        relation="present",
        source="observed",
        criterion=MOST,
        evidence=partial(trainings_that_form, "induction.heads"),
        null_is="no training forms one",
        measured=f"Induction heads form {FORMED}",
        clauses={"not supported": ": fewer than half of such trainings form one"},
    ),
    Claim(
        id="replication.previous",
        sentence="More than half of such trainings form a previous-token head.",
        relation="present",
        source="observed",
        criterion=MOST,
        evidence=partial(trainings_that_form, "induction.previous_token"),
        null_is="no training forms one",
        measured=f"A previous-token head forms {FORMED}",
        clauses={"not supported": ": fewer than half of such trainings form one"},
    ),
    Claim(
        id="replication.depth",
        sentence="The best previous-token head lies in the first half of the layers in more than half of trainings.",
        relation="present",
        source="observed",
        criterion=MOST,
        evidence=previous_token_heads_in_the_first_half,
        null_is="a random layer",
        measured="The best previous-token head lies in the first half of the layers in {count} of {n} trainings (layers: "
        '{layers|each("L{}")}'
        "), a share of {value} [{low}, {high}]",
    ),
    Claim(
        id="replication.index",
        sentence="A head's index within its layer has no meaning across trainings.",
        relation="equal",
        source="observed",
        criterion=Criterion("within", 0.0, 0.05),
        evidence=similarity_by_index,
        null_is="any assignment of heads within layers",
        figure="replication_heads",
        measured="The cosine similarity of heads with the same index exceeds that of any two heads of the same layer ({null}) "
        "by {value} [{low}, {high}]",
        clauses={
            "supported": ", inside the margin ({criterion})",
            "not supported": ", outside the margin ({criterion})",
        },
    ),
)
