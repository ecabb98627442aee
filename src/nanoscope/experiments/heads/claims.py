"""Experiment 02, the claims, declared before any run: their criteria, and the words for the results."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.heads import judge

_UNTRAINED = "untrained models"

CLAIMS = (
    Claim(
        id="heads.classified",
        sentence="Most heads specialise: they belong to one of the classes.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.with_a_class,
        null_is=_UNTRAINED,
        figure="heads_taxonomy",
        measured="**{count} of {n} heads** belong to a class ({strong} strongly): {classes}. Their share is {null} in "
        "untrained models, and {value} here [{low}, {high}]",
        clauses={
            "not supported": ", so most heads have no class",
            "straddles the criterion": ", which leaves open whether most heads have one",
        },
    ),
    Claim(
        id="heads.previous",
        sentence="There is a previous-token head.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_previous_token,
        null_is=_UNTRAINED,
        measured="**{head}** attends most to the previous token: {value} above uniform [{low}, {high}], p = {p} (on random "
        "text: {random})",
        clauses={"not supported": ", too little for a previous-token head"},
    ),
    Claim(
        id="heads.offsets",
        sentence="There is a head that attends a fixed distance of two or more tokens back.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_offset,
        null_is=_UNTRAINED,
        measured="Of all heads, **{head}** attends most to one fixed distance of two or more: {cls}, {value} above uniform "
        "[{low}, {high}], p = {p}",
    ),
    Claim(
        id="heads.tokens",
        sentence="There is a head that attends by content rather than by position.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_of_text,
        null_is=_UNTRAINED,
        measured="Of all heads, **{head}** attends most by content: {cls}, {value} more than its positional attention alone "
        "would give [{low}, {high}], p = {p}",
    ),
    Claim(
        id="heads.ablation",
        sentence="The heads of the largest class matter more than other heads of the same layers.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.02),
        evidence=judge.cost_of_the_largest_class,
        null_is="as many other heads of the same layers, whatever their class",
        figure="heads_ablation",
        withdrawn="it asks about the class with the most heads, whatever that class does",
        measured="Loss added by ablating each class, in nats per character: {each_class}. Ablating the heads of the largest "
        "class, {cls} ({heads}), instead of as many other heads of the same layers changes the loss by **{value} nats** "
        "[{low}, {high}] ({own} against {null})",
    ),
    Claim(
        id="heads.composition",
        sentence="Some heads read the output of earlier heads: they compose more than pairs that cannot.",
        relation="present",
        source="attributed",
        criterion=Criterion(">=", 0.05),
        evidence=judge.composing_pairs,
        null_is="2.5 % of pairs, by chance",
        figure="heads_composition",
        measured="The pairs of an earlier and a later head with the highest composition scores are {most} (randomly oriented "
        "heads: {random}). Of all {n} pairs, a share of **{value}** [{low}, {high}] composes, through queries, keys or values, "
        "more than 97.5 % of the pairs that cannot (pairs share heads, so the interval is too narrow)",
    ),
    Claim(
        id="heads.categoriser",
        sentence="The categoriser labels planted heads correctly from a strength of 0.6 on.",
        relation="equal",
        source="observed",
        criterion=Criterion(">=", 0.9),
        evidence=judge.planted_heads_named,
        null_is="guessing one of the classes",
        figure="heads_planted",
        measured="Planted heads labelled correctly, by the share of attention on their class's keys: "
        '{course|each("{:g}: {:.0%}")}. From 0.6 on, the share is **{value}** [{low}, {high}] ({n} heads of all classes)',
    ),
    Claim(
        id="heads.cost",
        sentence="Extracting and judging attention patterns takes less than a second per layer.",
        relation="equal",
        source="observed",
        criterion=Criterion("<=", 1000),
        evidence=judge.milliseconds_per_layer,
        null_is="nothing",
        kind="timing",
        measured="Extracting and judging the patterns takes {value} ms per layer for {n} tokens",
    ),
    Claim(
        id="heads.overhead",
        sentence="A forward pass that keeps every pattern takes no more than three times as long as a plain one.",
        relation="equal",
        source="observed",
        criterion=Criterion("<=", 3.0),
        evidence=judge.forward_with_patterns,
        null_is="a plain forward pass",
        kind="timing",
        measured="A forward pass that keeps every pattern takes {value} times as long as a plain one (median of {n} pairs)",
    ),
)
