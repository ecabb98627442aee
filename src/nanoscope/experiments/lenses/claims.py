"""Experiment 03, the claims: what would count, written down before any run, and the words in which it is answered."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.lenses import judge

CLAIMS = (
    Claim(
        id="lenses.gradual",
        sentence="The prediction forms gradually: no layer's step is most of the way to the output.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", 0.5),
        evidence=judge.largest_step,
        null_is="every layer the same share",
        measured="Read through the tuned lens, the layers bring the prediction {steps} of the way from the embedding to the "
        "output; the largest step, {layer}'s, is **{value}** [{low}, {high}]",
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
        null_is="no layer differs",
        measured="Of the tables up to n = {longest}, the nearest has n = {course} from the embedding to the output, so that n "
        'grows by **{"%g"|format(value)}** [{"%g"|format(low)}, {"%g"|format(high)}] after the first layer',
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
        measured="The model's loss is {loss} nats per character and that of the best table, n = {best}, is {table}, so that "
        "the model gains **{value} nats** [{low}, {high}]",
    ),
    Claim(
        id="lenses.settles",
        sentence="Predictions settle in the second half of the layers.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.settling_depth,
        null_is="untrained model",
        measured="By the usual criterion, a character's probability that stays above one half, {never_half|percent(0)} of "
        "predictions never settle. By KL to the output that stays below 0.1 nats they settle after {readings} of {layers} "
        "layers on average through the tuned lens, **{value}** of the depth [{low}, {high}] (untrained model: {null}; logit "
        "lens: {logit})",
        clauses={
            "supported": ", which is in the second half of the layers",
            "not supported": ", which is in the first half of the layers",
        },
        figure="lenses_settling",
    ),
    Claim(
        id="lenses.kinds",
        sentence="Characters of different kinds are settled at different depths.",
        relation="predicts",
        source="observed",
        criterion=Criterion(">=", 0.1),
        evidence=judge.gap_between_kinds,
        null_is="no kind differs",
        measured="Of the kinds of characters (depth at which each is settled: {depths}), *{late}* settles **{value}** of the "
        "depth later [{low}, {high}] than *{early}* on windows by which the two were not chosen",
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
        measured="The largest direct contributions to the next character's logit above the mean are "
        '{largest|each("{} ({:+.2f} logits)")}; MLPs write **{value}** [{low}, {high}] of all',
        clauses={"supported": ": most of it"},
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
        measured="At the inner layers the logit lens is {lens} nats from the output and a bigram table {table}, a difference "
        "of **{value} nats** [{low}, {high}]",
        clauses={
            "supported": ": the lens shows predictions forming",
            "not supported": ": the lens does not show predictions forming",
        },
    ),
    Claim(
        id="lenses.meaningful",
        sentence="Exchanging a later layer's output moves settled predictions less than open ones.",
        relation="predicts",
        source="intervened",
        criterion=Criterion("<=", 0.5),
        evidence=judge.damage_to_settled,
        null_is="settled or open makes no difference",
        measured="Exchanging a layer's output for another window's moves predictions that had settled before it **{value}** "
        "times as much [{low}, {high}] as those that had not (layer by layer: {layers})",
        clauses={"supported": ": a settled prediction is less open to later layers"},
    ),
    Claim(
        id="lenses.cost",
        sentence="It costs less than a second per layer to read the lens.",
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
        sentence="A forward pass with it takes no more than three times a plain one.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 3.0),
        evidence=judge.cost_beside_a_forward,
        null_is="a plain forward pass",
        measured="A forward pass with the lens at every layer takes {value} times a plain one (median of {n} pairs)",
        kind="timing",
    ),
)
