"""Experiment 02, the claims: what would count, written down before any run, and what is to be said under each verdict."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

_UNTRAINED = "untrained models"

CLAIMS = (
    Claim(
        id="heads.classified",
        sentence="Most heads specialise: they belong to one of the classes.",
        criterion=Criterion(">=", 0.5),
        null_is=_UNTRAINED,
        figure="heads_taxonomy",
        prose={
            "supported": "**{count} of {n} heads** belong to a class ({strong} strongly): {classes}. Of untrained models' "
            "heads, {null} do.",
            "not supported": "{count} of {n} heads belong to a class ({strong} strongly): {classes}. The share lies below "
            "{threshold} ([{low}, {high}]); of untrained models' heads, {null} belong to one.",
            "undecided": "{count} of {n} heads belong to a class ({strong} strongly): {classes}. Whether that is most of them "
            "is not decided ([{low}, {high}]); of untrained models' heads, {null} belong to one.",
        },
    ),
    Claim(
        id="heads.focus",
        sentence="Heads are more specialised than in untrained models.",
        criterion=Criterion(">=", 0.1),
        null_is=_UNTRAINED,
        prose={
            "supported": "On average a head's best class explains **{value}** [{low}, {high}] more of its attention above "
            "chance than in untrained models ({trained} against {null}); the heads' breadth is {breadth} of uniform "
            "attention's entropy.",
            "not supported": "On average a head's best class explains only {value} [{low}, {high}] more of its attention above "
            "chance than in untrained models ({trained} against {null}); the heads' breadth is {breadth} of uniform "
            "attention's entropy.",
            "undecided": "On average a head's best class explains {value} [{low}, {high}] more of its attention above chance "
            "than in untrained models ({trained} against {null}), which decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="heads.previous",
        sentence="There is a previous-token head.",
        criterion=Criterion(">=", 0.3),
        null_is=_UNTRAINED,
        prose={
            "supported": "**{head}** attends to the previous token ({value} above uniform [{low}, {high}], p = {p}; on random "
            "text {random}).",
            "not supported": "The head that attends most to the previous token, {head}, does so {value} above uniform [{low}, "
            "{high}] (p = {p}): too little to be called a previous-token head.",
            "undecided": "The head that attends most to the previous token, {head}, does so {value} above uniform [{low}, "
            "{high}] (p = {p}), which decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="heads.offsets",
        sentence="There is a head that looks a fixed distance of two or more back.",
        criterion=Criterion(">=", 0.3),
        null_is=_UNTRAINED,
        prose={
            "supported": "**{head}** looks a fixed distance back: {cls}, {value} above uniform [{low}, {high}], p = {p}.",
            "not supported": "No head looks a fixed distance of two or more back: the best is {head}, {cls}, {value} above "
            "uniform [{low}, {high}] (p = {p}).",
            "undecided": "Whether a head looks a fixed distance of two or more back is not decided: the best is {head}, {cls}, "
            "{value} above uniform [{low}, {high}] (p = {p}).",
        },
    ),
    Claim(
        id="heads.tokens",
        sentence="There is a head whose attention follows what the text says, not where it stands.",
        criterion=Criterion(">=", 0.3),
        null_is=_UNTRAINED,
        prose={
            "supported": "**{head}** attends by what the text says: {cls}, {value} beyond what its own positions would send "
            "there [{low}, {high}], p = {p}.",
            "not supported": "No head attends by what the text says: the best is {head}, {cls}, {value} beyond what its own "
            "positions would send there [{low}, {high}] (p = {p}).",
            "undecided": "Whether a head attends by what the text says is not decided: the best is {head}, {cls}, {value} "
            "beyond what its own positions would send there [{low}, {high}] (p = {p}).",
        },
    ),
    Claim(
        id="heads.ablation",
        sentence="The heads of the largest class matter more than others of the same layers.",
        criterion=Criterion(">=", 0.02),
        null_is="as many other heads of the same layers, whatever their class",
        figure="heads_ablation",
        prose={
            "supported": "Without the heads of its largest class, {cls} ({heads}), the model loses **{value} nats** per "
            "character more [{low}, {high}] than without as many others of the same layers, whatever their class ({own} "
            "against {null}). By class: {each}.",
            "not supported": "Without the heads of its largest class, {cls} ({heads}), the model loses {value} nats per "
            "character more [{low}, {high}] than without as many others of the same layers, whatever their class ({own} "
            "against {null}): less than the {threshold} that would count. By class: {each}.",
            "undecided": "Whether the heads of the largest class matter more than others is not decided: {why}. By class: "
            "{each}.",
        },
    ),
    Claim(
        id="heads.composition",
        sentence="Some heads read what earlier heads wrote, more than heads that cannot.",
        criterion=Criterion(">=", 0.05),
        null_is="2.5 % of pairs, by chance",
        figure="heads_composition",
        prose={
            "supported": "**{value}** [{low}, {high}] of the {n} pairs of an earlier and a later head compose (through "
            "queries, keys or values) more than 97.5 % of the pairs that cannot; most: {most} (randomly oriented heads: "
            "{random}). Pairs share heads, so the interval is too narrow.",
            "not supported": "Only {value} [{low}, {high}] of the {n} pairs of an earlier and a later head compose (through "
            "queries, keys or values) more than 97.5 % of the pairs that cannot; most: {most} (randomly oriented heads: "
            "{random}). Pairs share heads, so the interval is too narrow.",
            "undecided": "{value} [{low}, {high}] of the {n} pairs of an earlier and a later head compose (through queries, "
            "keys or values) more than 97.5 % of the pairs that cannot, which decides nothing; most: {most}.",
        },
    ),
    Claim(
        id="heads.categoriser",
        sentence="The categoriser names planted heads right from a strength of 0.6 on.",
        criterion=Criterion(">=", 0.9),
        null_is="one class of all",
        figure="heads_planted",
        prose={
            "supported": "Of {n} planted heads of all classes, with 0.6 of their attention or more where the class says, "
            "**{value}** [{low}, {high}] get their own class. By strength: {course}.",
            "not supported": "Of {n} planted heads of all classes, with 0.6 of their attention or more where the class says, "
            "only {value} [{low}, {high}] get their own class. By strength: {course}.",
            "undecided": "Of {n} planted heads of all classes, with 0.6 of their attention or more where the class says, "
            "{value} [{low}, {high}] get their own class. By strength: {course}.",
        },
    ),
    Claim(
        id="heads.cost",
        sentence="It costs less than a second per layer to judge the patterns of a layer.",
        criterion=Criterion("<=", 1000),
        null_is="nothing",
        kind="timing",
        prose={
            "supported": "Extracting and judging the patterns takes {value} ms per layer for {n} tokens.",
            "not supported": "Extracting and judging the patterns takes {value} ms per layer for {n} tokens: more than the "
            "{threshold} that were allowed.",
            "undecided": "What it costs to judge the patterns of a layer was not measured.",
        },
    ),
    Claim(
        id="heads.overhead",
        sentence="A forward pass with it takes no more than three times a plain one.",
        criterion=Criterion("<=", 3.0),
        null_is="a plain forward pass",
        kind="timing",
        prose={
            "supported": "A forward pass that keeps every pattern takes {value} times a plain one (median of {n} pairs).",
            "not supported": "A forward pass that keeps every pattern takes {value} times a plain one (median of {n} pairs): "
            "more than the {threshold} that were allowed.",
            "undecided": "What it adds to a forward pass was not measured.",
        },
    ),
)
