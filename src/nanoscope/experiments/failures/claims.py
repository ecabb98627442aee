"""Experiment 04d, the claims: criteria fixed before any run, and the sentences that report the results.

A value is an AUROC, or a difference of two, on text on which neither heads were chosen nor regressions fitted.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.failures.judge import confidence, gain_beside_text
from nanoscope.experiments.failures.measure import ASKED

LESS = ": less than the {threshold} that would count"
OPEN = ", which does not decide it (it takes {criterion})"
LOSS = ". Log-loss per prediction: {loss_before|number(4)} nats without it, {loss_after|number(4)} with it"

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
        id="failures.beyond_text",
        sentence="The state of the copying and previous-token heads improves error prediction beyond text features.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", ASKED),
        evidence=gain_beside_text,
        null_is="what text features add to the confidence",
        figure="failures_auroc",
        measured="Text features (matches, n-gram table) add {null} to the AUROC of the confidence; the state of {previous} "
        "({previous_score} of its attention on the previous token, above chance) and {copying} ({copying_score} on the place "
        "to copy from) adds **{value}** [{low}, {high}] to both",
        clauses={
            "supported": f'{LOSS}. The largest coefficients: {{strongest|each("{{}} ({{:+.2f}})")}}',
            "not supported": f"{LESS}{LOSS}",
            "straddles the criterion": f"{OPEN}{LOSS}",
        },
    ),
)
