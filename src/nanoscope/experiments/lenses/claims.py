"""Experiment 03, the claims: criteria fixed before any run, and the sentences that report the results."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.lenses import judge

CLAIMS = (
    Claim(
        id="lenses.beyond",
        sentence="The model predicts the text better than any n-gram table.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=judge.gain_over_tables,
        null_is="the best table",
        measured="The model's loss is {loss} nats per character and that of the best table (n = {best}) is {table}. The model "
        "is better by **{value} nats** [{low}, {high}]",
    ),
    Claim(
        id="lenses.writers",
        sentence="MLPs, not heads, write most of the prediction directly.",
        relation="present",
        source="attributed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.mlp_share,
        null_is="an even split between the MLPs and all else",
        measured="The largest direct contributions to the next character's logit (relative to the mean logit) are "
        '{largest|each("{} ({:+.2f} logits)")}. MLPs write **{value}** [{low}, {high}] of the total',
        clauses={"supported": ", most of it"},
        figure="lenses_writers",
    ),
    Claim(
        id="lenses.meaningful",
        sentence="Resampling a later layer's output changes settled predictions less than unsettled ones.",
        relation="predicts",
        source="intervened",
        criterion=Criterion("<=", 0.5),
        evidence=judge.damage_to_settled,
        null_is="no difference between settled and unsettled predictions",
        measured="Replacing a layer's output by that of another window changes predictions that had settled before this layer "
        "**{value}** times as much [{low}, {high}] as those that had not (settled in the tuned lens, by layer: {layers}"
        "{% if logit %}; in the logit lens: {logit}{% endif %})",
        clauses={"supported": ": later layers change a settled prediction less"},
    ),
)
