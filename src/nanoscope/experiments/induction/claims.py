"""Experiment 01, the claims, declared before any run: their criteria, and the words for the results.

What was measured beside them and decides nothing (a copy of a passage, previous-token heads, weights, ablation, the lens, the
cost) is listed in `beside.py`.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.induction import judge
from nanoscope.experiments.induction.select import STRONG_ENOUGH

_HEAD_NULL = "the best head of untrained models of this shape"

CLAIMS = (
    Claim(
        id="induction.long_match",
        sentence="In real text the model copies what followed an earlier occurrence of the last five characters.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.05),
        evidence=judge.loss_of_copies,
        null_is="as many other characters overwritten",
        withdrawn="the last match of a window was read, which is where copying ends",
        sound_from=5,
        measured="Where the last five characters or more stood earlier in the window and what followed is right, overwriting "
        "it costs **{value} nats** [{low}, {high}] more than overwriting as many other characters ({n} places drawn from "
        "{all}). The model's loss there is {model}, that of a 5-gram table without memory {table}",
    ),
    Claim(
        id="induction.accuracy",
        sentence="The model predicts the second copy more accurately than without a first copy.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.05),
        evidence=judge.gained_accuracy,
        null_is="untrained models",
        measured="It predicts **{clean|percent}** of the second copy correctly, against {corrupt|percent} after other "
        "characters (bigram table: {bigram|percent}). In nats, the order of the first copy is worth {order} per character",
        clauses={
            "not supported": ": the first copy adds less than {threshold}",
            "straddles the criterion": "; the difference, {value} [{low}, {high}], does not decide it (it takes {criterion})",
        },
    ),
    Claim(
        id="induction.heads",
        sentence="At least one attention head is an induction head.",
        relation="present",
        source="observed",
        criterion=STRONG_ENOUGH,
        evidence=judge.best_induction_head,
        null_is=_HEAD_NULL,
        figure="induction_head_scores",
        measured="The best candidate, **{head}**, attends to the character that followed the current one's earlier occurrence, "
        "{value} above uniform attention [{low}, {high}], at the block length where it does so least (of {lengths}; p = {p} "
        "over all heads; best untrained head: {null})",
        clauses={
            "supported": ". Heads that pass: {count} ({all})",
            "not supported": ": below the {threshold} required of an induction head",
        },
    ),
    Claim(
        id="induction.absent",
        sentence="No head attends to what followed an earlier occurrence, in random copies or in real text.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", 0.05),
        evidence=judge.most_attention_to_copies,
        null_is=_HEAD_NULL,
        withdrawn="it also counts heads that attend to the target less than uniform attention does",
        sound_from=5,
        figure="induction_prefixes",
        measured="The most attention of any head to what followed an earlier occurrence is {value} above chance [{low}, "
        "{high}] ({head}, in {where}; every head was chosen on other examples)",
        clauses={
            "supported": ", inside the {threshold} that counts as none",
            "not supported": ", so some head does look there",
        },
    ),
    Claim(
        id="induction.localised",
        sentence="The selected heads' outputs alone restore most of the difference between the clean and the corrupt run.",
        relation="sufficient for",
        source="intervened",
        criterion=Criterion(">=", 0.5),
        evidence=judge.restored_by_heads,
        null_is="the best other head",
        figure="induction_patching_effects",
        measured="Patched into the corrupt run, the clean outputs of {heads} alone restore **{value}** of the logit difference "
        "[{low}, {high}] ({n} sequences; best other head: {null}){% if routed %}. Of what they read, clean keys alone "
        "restore {keys_restore}, values alone {values_restore}, both {both_restore}{% endif %}. Needed, each alone: {needed}",
    ),
)
