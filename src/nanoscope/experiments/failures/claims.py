"""Experiment 04d, the claims: what would count, written down before any run, and what is to be said under each verdict.

All differences are of areas under the ROC curve on text that neither chose the heads nor fitted the regressions.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.failures.judge import (
    circuit_against_confidence,
    confidence,
    gain_beside_text,
    gain_of_circuit,
    gain_of_planted_circuit,
    gain_over_random_heads,
    overconfidence,
)

LESS = ": less than the {threshold} that would count"
UNDECIDED = ", which leaves it undecided (it takes {criterion})"
LOSS = ". Log-loss per prediction: {loss_before|number(4)} nats with the confidence alone, {loss_after|number(4)} with both"
TEXT = ". Matches and n-gram table, given the model's first choice, have {text}"
GROUPS = (
    ". By what copying would say (matches of three characters and more): "
    "{groups|each('{}: {:.2f} wrong, {:.2f} expected')|join('; ')}"
)

CLAIMS = (
    Claim(
        id="failures.confidence",
        sentence="The model's own confidence predicts its errors.",
        relation="predicts",
        source="observed",
        criterion=Criterion(">=", 0.7),
        evidence=confidence,
        null_is="an area of one half: chance",
        figure="failures_auroc",
        measured="The model's own confidence (log-probability of its first choice, margin over the second, entropy) predicts "
        "its errors with an AUROC of **{value}** [{low}, {high}] ({errors} of {predictions} predictions are wrong)",
    ),
    Claim(
        id="failures.adds",
        sentence="The state of the copying and previous-token heads predicts errors beyond the model's own confidence.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.01),
        evidence=gain_of_circuit,
        null_is="the same gain when labels are shuffled across places",
        figure="failures_auroc",
        measured="The state of {previous} ({previous_score} of its attention to the previous token, beyond chance) and "
        "{copying} ({copying_score} to what a copy needs) changes the AUROC of the confidence by **{value}** [{low}, {high}] "
        "(shuffled labels: {null})",
        clauses={
            "supported": f'{LOSS}. What counts most: {{strongest|each("{{}} ({{:+.2f}})")}}',
            "not supported": f"{LESS}{LOSS}",
            "undecided": f"{UNDECIDED}{LOSS}",
        },
    ),
    Claim(
        id="failures.beats_random",
        sentence="These heads add more than random heads of the same layers.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.005),
        evidence=gain_over_random_heads,
        null_is="what the random heads add to the confidence",
        figure="failures_auroc",
        measured="It adds **{value}** [{low}, {high}] more than the state of random heads of the same layers ({null})",
    ),
    Claim(
        id="failures.beyond_text",
        sentence="They add something that the text alone does not tell.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.005),
        evidence=gain_beside_text,
        null_is="what the text adds to the confidence",
        figure="failures_auroc",
        measured="The text itself (matches, n-gram table) adds {null} to the confidence; the heads' state adds **{value}** "
        "[{low}, {high}] to both",
    ),
    Claim(
        id="failures.alone",
        sentence="Circuit measurements alone predict errors as well as the confidence does.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.0),
        evidence=circuit_against_confidence,
        null_is="matches and n-gram table alone, in the same measure",
        figure="failures_auroc",
        measured="Without the confidence, the heads' state and the matches have an AUROC of {circuit} against the confidence's "
        "{confidence}, a difference of {value} [{low}, {high}]",
        clauses={
            "supported": f": they predict errors as well{TEXT}",
            "not supported": f": they predict errors worse{TEXT}",
            "undecided": f"{UNDECIDED}{TEXT}",
        },
    ),
    Claim(
        id="failures.calibrated",
        sentence="The model is as sure as it is right.",
        relation="equal",
        source="observed",
        criterion=Criterion("within", 0.0, 0.02),
        evidence=overconfidence,
        null_is="no difference",
        figure="failures_states",
        measured="The mean probability of the model's first choice is {sure}, the share that is right {right}: a difference of "
        "{value} [{low}, {high}]",
        clauses={
            "supported": f", inside the margin: it is as sure as it is right{GROUPS}",
            "not supported": ", so the model is **{% if value > 0 %}surer{% else %}less sure{% endif %}** than it is right"
            f"{GROUPS}",
            "undecided": f"{UNDECIDED}{GROUPS}",
        },
    ),
    Claim(
        id="failures.sees",
        sentence="Positive control: errors planted in a copying head, invisible to the confidence, are found.",
        relation="predicts",
        source="intervened",
        criterion=Criterion(">=", 0.1),
        evidence=gain_of_planted_circuit,
        null_is="the same gain when labels are shuffled across places",
        measured="Where the copying head of {heads} in a planted model is made to attend to a wrong position half of the time, "
        "with the confidence as it was (AUROC {confidence}), their state adds **{value}** [{low}, {high}] (with random heads "
        "instead: AUROC {random})",
        clauses={
            "supported": ": planted errors are found",
            "not supported": ": planted errors are not found",
        },
    ),
)
