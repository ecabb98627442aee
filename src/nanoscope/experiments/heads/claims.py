"""Experiment 02, the claims: what would count, written down before any run."""

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
        measured="**{count} of {n} heads** belong to a class ({strong} strongly): {classes}. That is a share of {value} "
        "[{low}, {high}]; of untrained models' heads, {null} belong to one",
        clauses={
            "not supported": ", so most heads have no class",
            "undecided": ", so whether most heads do is undecided",
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
        sentence="There is a head that looks a fixed distance of two or more back.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_offset,
        null_is=_UNTRAINED,
        measured="Of all heads, **{head}** looks most at one fixed distance of two or more: {cls}, {value} above uniform "
        "[{low}, {high}], p = {p}",
    ),
    Claim(
        id="heads.tokens",
        sentence="There is a head whose attention follows what the text says, not its position.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_of_text,
        null_is=_UNTRAINED,
        measured="Of all heads, the attention of **{head}** follows the text most: {cls}, {value} more than its attention to "
        "positions alone would send there [{low}, {high}], p = {p}",
    ),
    Claim(
        id="heads.ablation",
        sentence="The heads of the largest class matter more than others of the same layers.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.02),
        evidence=judge.cost_of_the_largest_class,
        null_is="as many other heads of the same layers, whatever their class",
        figure="heads_ablation",
        measured="Without the heads of its largest class, {cls} ({heads}), the model loses **{value} nats** per character more "
        "[{low}, {high}] than without as many others of the same layers ({own} against {null}). By class: {each_class}",
        clauses={
            "not supported": "; less than the {threshold} that would count",
            "undecided": "; {threshold} would count",
        },
    ),
    Claim(
        id="heads.composition",
        sentence="Some heads read what earlier heads wrote, more than heads that cannot.",
        relation="present",
        source="attributed",
        criterion=Criterion(">=", 0.05),
        evidence=judge.composing_pairs,
        null_is="2.5 % of pairs, by chance",
        figure="heads_composition",
        measured="**{value}** [{low}, {high}] of the {n} pairs of an earlier and a later head compose (through queries, keys "
        "or values) more than 97.5 % of the pairs that cannot; most: {most} (randomly oriented heads: {random}). Pairs share "
        "heads, so the interval is too narrow",
        clauses={"not supported": "; {threshold} would count", "undecided": "; {threshold} would count"},
    ),
    Claim(
        id="heads.categoriser",
        sentence="The categoriser names planted heads right from a strength of 0.6 on.",
        relation="equal",
        source="observed",
        criterion=Criterion(">=", 0.9),
        evidence=judge.planted_heads_named,
        null_is="one class of all",
        figure="heads_planted",
        measured="Of {n} planted heads of all classes, with 0.6 of their attention or more where the class says, **{value}** "
        '[{low}, {high}] get their own class. By strength: {course|each("{:g}: {:.0%}")}',
        clauses={"not supported": "; {threshold} would count", "undecided": "; {threshold} would count"},
    ),
    Claim(
        id="heads.cost",
        sentence="It costs less than a second per layer to judge the patterns of a layer.",
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
        sentence="A forward pass with it takes no more than three times a plain one.",
        relation="equal",
        source="observed",
        criterion=Criterion("<=", 3.0),
        evidence=judge.forward_with_patterns,
        null_is="a plain forward pass",
        kind="timing",
        measured="A forward pass that keeps every pattern takes {value} times a plain one (median of {n} pairs)",
    ),
)
