"""Experiment 03, the claims: criteria fixed before any run, and the sentences that report the results."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.lenses import judge

CLAIMS = (
    Claim(
        id="lenses.gradual",
        sentence="The prediction forms gradually: no single layer makes more than half of the change from embedding to output.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", 0.5),
        evidence=judge.largest_step,
        null_is="an equal share for every layer",
        withdrawn="the tuned lens was fitted too briefly",
        measured="Read through the tuned lens, the layers reduce the KL to the output by these shares of its value at the "
        "embedding: {steps}. The largest is that of {layer}, **{value}** [{low}, {high}]",
        clauses={
            "supported": ": the prediction forms gradually",
            "not supported": ": the prediction does not form gradually",
        },
        figure="lenses_formation",
    ),
    Claim(
        id="lenses.first_layer",
        sentence="After the first layer the tuned lens is nearest to the bigram table.",
        relation="equal",
        source="observed",
        criterion=Criterion("within", 2.0, 0.5),
        evidence=judge.nearest_after_first_layer,
        null_is="untrained model",
        withdrawn="the nearest table changes with the direction of the KL",
        measured="After the first layer KL(table || tuned lens) is {distances|each('{1:.3g} (n = {0})')} nats: the nearest "
        'table has n = **{"%g"|format(value)}** [{"%g"|format(low)}, {"%g"|format(high)}]',
        clauses={"supported": ", the bigram table", "not supported": " and is not the bigram table"},
        figure="lenses_ngrams",
    ),
    Claim(
        id="lenses.deeper",
        sentence="Deeper layers are nearer to longer n-grams.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 1.0),
        evidence=judge.rise_of_nearest,
        null_is="no difference between layers",
        withdrawn="the nearest table changes with the direction of the KL",
        measured="From the embedding to the output, the nearest table (up to n = {longest}) has n = {course}. After the first "
        'layer n grows by **{"%g"|format(value)}** [{"%g"|format(low)}, {"%g"|format(high)}]',
        clauses={"supported": ": deeper layers are nearer to longer n-grams"},
    ),
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
        id="lenses.settles",
        sentence="Predictions settle in the second half of the layers.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.settling_depth,
        null_is="untrained model",
        withdrawn="the tuned lens was fitted too briefly",
        measured="By the usual criterion (some character's probability stays above one half) {never_half|percent(0)} of "
        "predictions never settle. By the criterion used here (the KL between tuned lens and output stays below 0.1 nats) "
        "they settle after {readings} of {layers} layers on average, at **{value}** of the depth [{low}, {high}] (untrained "
        "model: {null}; logit lens: {logit})",
        clauses={
            "supported": ", which is in the second half of the layers",
            "not supported": ", which is in the first half of the layers",
        },
        figure="lenses_settling",
    ),
    Claim(
        id="lenses.kinds",
        sentence="Predictions of different kinds of characters settle at different depths.",
        relation="predicts",
        source="observed",
        criterion=Criterion(">=", 0.1),
        evidence=judge.gap_between_kinds,
        null_is="no difference between kinds",
        withdrawn="the tuned lens was fitted too briefly",
        measured="Kinds of characters settle at these shares of the depth: {depths}. On windows that were not used to choose "
        "the two, *{late}* settles later than *{early}* by **{value}** of the depth [{low}, {high}]",
        figure="lenses_settling",
    ),
    Claim(
        id="lenses.writers",
        sentence="MLPs, not heads, write most of the prediction directly.",
        relation="present",
        source="attributed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.mlp_share,
        null_is="the MLPs' share of all components",
        measured="The largest direct contributions to the next character's logit (relative to the mean logit) are "
        '{largest|each("{} ({:+.2f} logits)")}. MLPs write **{value}** [{low}, {high}] of the total',
        clauses={"supported": ", most of it"},
        figure="lenses_writers",
    ),
    Claim(
        id="lenses.reveals",
        sentence="At the inner layers the logit lens is nearer to the output than a bigram table is.",
        relation="predicts",
        source="observed",
        criterion=Criterion(">=", 0.0),
        evidence=judge.gain_over_bigrams,
        null_is="a bigram table",
        measured="At the inner layers the KL to the output is {lens} nats for the logit lens and {table} nats for a bigram "
        "table, a difference of **{value} nats** [{low}, {high}]",
        clauses={
            "supported": ": the lens shows predictions forming",
            "not supported": ": the lens does not show predictions forming",
        },
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
        "**{value}** times as much [{low}, {high}] as those that had not (by layer: {layers})",
        clauses={"supported": ": later layers change a settled prediction less"},
    ),
    Claim(
        id="lenses.cost",
        sentence="Reading the logit lens takes less than a second per layer.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 1000),
        evidence=judge.cost_of_a_layer,
        null_is="nothing",
        measured="Reading the logit lens takes {value} ms per layer for {n} tokens",
        kind="timing",
    ),
    Claim(
        id="lenses.overhead",
        sentence="A forward pass with the logit lens takes at most three times as long as a plain one.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 3.0),
        evidence=judge.cost_beside_a_forward,
        null_is="a plain forward pass",
        measured="A forward pass with the lens at every layer takes {value} times as long as a plain one (median of {n} pairs)",
        kind="timing",
    ),
)
