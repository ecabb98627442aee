"""Experiment 04d, the claims: what would count, written down before any run, and what is to be said under each verdict.

All differences are of areas under the ROC curve on text that neither chose the heads nor fitted the regressions.
"""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

CLAIMS = (
    Claim(
        id="failures.confidence",
        sentence="The model's own confidence predicts its errors.",
        criterion=Criterion(">=", 0.7),
        null_is="an area of one half: chance",
        figure="failures_auroc",
        prose={
            "supported": "The model's own confidence (log-probability of its first choice, margin over the second, entropy) "
            "predicts its errors well: AUROC **{value}** [{low}, {high}] ({errors} of {places} predictions are wrong).",
            "not supported": "The model's own confidence predicts its errors poorly: AUROC {value} [{low}, {high}] "
            "({errors} of {places} predictions are wrong).",
            "undecided": "Whether the model's own confidence predicts its errors with an AUROC of {threshold} is not decided: "
            "{value} [{low}, {high}] ({errors} of {places} predictions are wrong).",
        },
    ),
    Claim(
        id="failures.adds",
        sentence="The state of the copying and previous-token heads predicts errors beyond the model's own confidence.",
        criterion=Criterion(">=", 0.01),
        null_is="the same gain when labels are shuffled across places",
        figure="failures_auroc",
        prose={
            "supported": "Circuit measurements of {heads} predict errors beyond the confidence: AUROC rises by **{value}** "
            "[{low}, {high}] (shuffled labels: {null}); {losses}. What counts most: {strongest}.",
            "not supported": "Circuit measurements of {heads} do not predict errors beyond the confidence to any use: AUROC "
            "changes by {value} [{low}, {high}] where {threshold} was asked (shuffled labels: {null}); {losses}.",
            "undecided": "Whether circuit measurements of {heads} predict errors beyond the confidence is not decided: AUROC "
            "changes by {value} [{low}, {high}] where {threshold} was asked (shuffled labels: {null}); {losses}.",
        },
    ),
    Claim(
        id="failures.beats_random",
        sentence="These heads add more than random heads of the same layers.",
        criterion=Criterion(">=", 0.005),
        null_is="what the random heads add to the confidence",
        figure="failures_auroc",
        prose={
            "supported": "They add **{value}** [{low}, {high}] more than random heads of the same layers do ({null}).",
            "not supported": "They add {value} [{low}, {high}] more than random heads of the same layers do ({null}): less "
            "than "
            "the {threshold} that would count.",
            "undecided": "Whether they add more than random heads of the same layers is not decided: {why}.",
        },
    ),
    Claim(
        id="failures.beyond_text",
        sentence="They add something that the text alone does not tell.",
        criterion=Criterion(">=", 0.005),
        null_is="what the text adds to the confidence",
        figure="failures_auroc",
        prose={
            "supported": "Beside the confidence and the text itself (matches, n-gram table) their state still adds **{value}** "
            "[{low}, {high}]; the text adds {null} by itself.",
            "not supported": "Beside the confidence and the text itself (matches, n-gram table) their state adds only {value} "
            "[{low}, {high}]; the text adds {null} by itself.",
            "undecided": "Whether their state adds anything beside the confidence and the text itself is not decided: {value} "
            "[{low}, {high}]; the text adds {null} by itself.",
        },
    ),
    Claim(
        id="failures.alone",
        sentence="Circuit measurements alone predict errors as well as the confidence does.",
        criterion=Criterion(">=", 0.0),
        null_is="matches and n-gram table alone, in the same measure",
        figure="failures_auroc",
        prose={
            "supported": "Without the confidence, with the matches alone beside them, they do as well: AUROC {circuit}, "
            "{value} [{low}, {high}] against the confidence's {confidence}. {text}",
            "not supported": "Without the confidence, with the matches alone beside them, they do worse: AUROC {circuit}, "
            "{value} [{low}, {high}] against the confidence's {confidence}. {text}",
            "undecided": "Without the confidence, with the matches alone beside them, they have an AUROC of {circuit}; whether "
            "that is as good as the confidence's {confidence} is not decided ({value} [{low}, {high}]). {text}",
        },
    ),
    Claim(
        id="failures.calibrated",
        sentence="The model is as sure as it is right.",
        criterion=Criterion("within", 0.0, 0.02),
        null_is="no difference",
        figure="failures_states",
        prose={
            "supported": "The model is as sure as it is right: the mean probability of its first choice is {sure}, the share "
            "that is right {right} (difference {value} [{low}, {high}]). {states}",
            "not supported": "The model is **{sign}** than it is right: the mean probability of its first choice is {sure}, "
            "the "
            "share that is right {right} (difference {value} [{low}, {high}]). {states}",
            "undecided": "Whether the model is as sure as it is right is not decided: the mean probability of its first choice "
            "is {sure}, the share that is right {right} (difference {value} [{low}, {high}]). {states}",
        },
    ),
    Claim(
        id="failures.sees",
        sentence="Positive control: errors planted in a copying head, invisible to the confidence, are found.",
        criterion=Criterion(">=", 0.1),
        null_is="the same gain when labels are shuffled across places",
        prose={
            "supported": "The instrument sees: where {heads} of the planted model are made to look at a wrong place half of "
            "the time, with the confidence as it was (AUROC {confidence}), their state adds **{value}** [{low}, {high}] "
            "(with random heads in their place: AUROC {random}).",
            "not supported": "The instrument is blind: of errors planted in {heads} of the planted model (confidence: AUROC "
            "{confidence}) their state finds only {value} [{low}, {high}] more.",
            "undecided": "Whether the instrument sees planted errors is not decided: {value} [{low}, {high}] beyond the "
            "confidence (AUROC {confidence}, {heads}).",
        },
    ),
)
