"""Experiment 04d, the claims: criteria fixed before any run, and the sentences that report the results.

Unless stated otherwise a value is an AUROC, or a difference of two, on text on which neither heads were chosen nor
regressions fitted.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.failures.judge import (
    circuit_against_confidence,
    confidence,
    gain_of_circuit,
    gain_of_planted_circuit,
    gain_over_random_heads,
    gain_over_text,
    overconfidence,
)

LESS = ": less than the {threshold} that would count"
OPEN = ", which does not decide it (it takes {criterion})"
LOSS = ". Log-loss per prediction: {loss_before|number(4)} nats with the confidence alone, {loss_after|number(4)} with both"
TEXT = ". With the matches and an n-gram table, given the model's first choice, the AUROC is {text}"
GROUPS = (
    ". By what copying predicts (matches of at least three characters): "
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
        null_is="chance: an AUROC of one half",
        figure="failures_auroc",
        measured="From the model's own confidence (log-probability of its first choice, margin over the second, entropy) its "
        "errors are predicted with an AUROC of **{value}** [{low}, {high}]; {errors} of {predictions} predictions are wrong",
    ),
    Claim(
        id="failures.adds",
        sentence="The state of the copying and previous-token heads predicts errors beyond the model's own confidence.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.01),
        evidence=gain_of_circuit,
        null_is="the same gain with labels shuffled across positions",
        figure="failures_auroc",
        measured="Adding the state of {previous} ({previous_score} of its attention on the previous token, above chance) and "
        "{copying} ({copying_score} on the position to copy from) to the confidence changes the AUROC by **{value}** [{low}, "
        "{high}] (shuffled labels: {null})",
        clauses={
            "supported": f'{LOSS}. The largest coefficients: {{strongest|each("{{}} ({{:+.2f}})")}}',
            "not supported": f"{LESS}{LOSS}",
            "straddles the criterion": f"{OPEN}{LOSS}",
        },
    ),
    Claim(
        id="failures.beats_random",
        sentence="The state of these heads improves error prediction more than that of random heads of the same layers.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.005),
        evidence=gain_over_random_heads,
        null_is="what the random heads add to the confidence",
        figure="failures_auroc",
        measured="The state of these heads adds **{value}** [{low}, {high}] more to the AUROC than that of random heads of the "
        "same layers, which adds {null}",
    ),
    Claim(
        id="failures.beyond_text",
        sentence="The state of these heads improves error prediction beyond text features.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.005),
        evidence=gain_over_text,
        null_is="what text features add to the confidence",
        figure="failures_auroc",
        measured="Text features (matches, n-gram table) add {null} to the AUROC of the confidence; the heads' state adds "
        "**{value}** [{low}, {high}] to both",
    ),
    Claim(
        id="failures.alone",
        sentence="Circuit measurements alone predict errors as well as the confidence does.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.0),
        evidence=circuit_against_confidence,
        null_is="text features alone, minus the confidence",
        figure="failures_auroc",
        measured="Without the confidence, the heads' state and the matches have an AUROC of {circuit} against the confidence's "
        "{confidence}, a difference of {value} [{low}, {high}]",
        clauses={
            "supported": f": they predict errors as well{TEXT}",
            "not supported": f": they predict errors worse{TEXT}",
            "straddles the criterion": f"{OPEN}{TEXT}",
        },
    ),
    Claim(
        id="failures.calibrated",
        sentence="The model's confidence is calibrated on average: it is as sure as it is right.",
        relation="equal",
        source="observed",
        criterion=Criterion("within", 0.0, 0.02),
        evidence=overconfidence,
        null_is="no difference",
        figure="failures_states",
        measured="The mean probability of the model's first choice is {sure} and its accuracy {right}: a difference of {value} "
        "[{low}, {high}]",
        clauses={
            "supported": f", inside the margin: it is as sure as it is right{GROUPS}",
            "not supported": ", so the model is **{% if value > 0 %}surer{% else %}less sure{% endif %}** than it is right"
            f"{GROUPS}",
            "straddles the criterion": f"{OPEN}{GROUPS}",
        },
    ),
    Claim(
        id="failures.sees",
        sentence="Positive control: errors that are planted in a copying head and do not show in the confidence are found.",
        relation="predicts",
        source="intervened",
        criterion=Criterion(">=", 0.1),
        evidence=gain_of_planted_circuit,
        null_is="the same gain with labels shuffled across positions",
        measured="In a hand-built model with heads {heads}, the copying head is made to attend to a wrong position half of the "
        "time. The confidence stays as it was (AUROC {confidence}). The heads' state adds **{value}** [{low}, {high}] (random "
        "heads instead: AUROC {random})",
        clauses={
            "supported": ": planted errors are found",
            "not supported": ": planted errors are not found",
        },
    ),
)
