"""Experiment 01, the claims, declared before any run: their criteria, and the words for the results."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.induction import judge
from nanoscope.experiments.induction.select import STRONG_ENOUGH

_HEAD_NULL = "the best head of untrained models of this shape"

CLAIMS = (
    Claim(
        id="induction.gain",
        sentence="The model uses the order of the first copy of a random sequence to predict the second copy.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.1),
        evidence=judge.gain_from_order,
        null_is="untrained models",
        measured="A first copy of a random sequence changes the log-probability of the second by **{value} nats** per "
        "character [{low}, {high}] compared with the same characters in another order, and by {fresh} compared with other "
        "characters ({n} sequences)",
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
        "characters (bigram table: {bigram|percent}, unigram: {unigram|percent})",
        clauses={
            "not supported": ": the first copy adds less than {threshold}",
            "straddles the criterion": "; the difference, {value} [{low}, {high}], does not decide it (it takes {criterion})",
        },
    ),
    Claim(
        id="induction.natural",
        sentence="The model predicts a passage of real text better after a copy of it than after another passage.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.05),
        evidence=judge.gain_on_text,
        null_is="untrained models, on random sequences",
        measured="A copy in front, instead of another passage, changes the log-probability of a passage of real text by "
        "**{value} nats** per character [{low}, {high}] ({n} passages)",
    ),
    Claim(
        id="induction.long_match",
        sentence="In ordinary text the model uses an earlier occurrence of the last five characters.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.05),
        evidence=judge.loss_of_long_match,
        null_is="an overwritten occurrence changes nothing",
        withdrawn="the last match of a window was read, which is where copying ends",
        measured="In ordinary text, where the last five characters occurred earlier in the window, overwriting that occurrence "
        "changes the loss at the next character by **{value} nats** [{low}, {high}] ({n} positions)",
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
        sentence="No head does induction at any block length: all are equivalent to uniform attention.",
        relation="absent",
        source="observed",
        criterion=Criterion("within", 0.0, 0.05),
        evidence=judge.distance_from_uniform,
        null_is=_HEAD_NULL,
        withdrawn="it also counts heads that attend to the target less than uniform attention does",
        measured="The head farthest from uniform attention differs from it by {value} at one block length [{low}, {high}]",
        clauses={
            "supported": ", so all heads are within the margin of 0.05 that counts as absence",
            "not supported": ", beyond the margin of 0.05 that counts as absence",
        },
    ),
    Claim(
        id="induction.previous_token",
        sentence="At least one head attends to the previous token, as in an induction circuit.",
        relation="present",
        source="observed",
        criterion=STRONG_ENOUGH,
        evidence=judge.best_previous_token_head,
        null_is=_HEAD_NULL,
        measured="The best previous-token head, **{head}**, attends to the previous token {value} above uniform attention "
        "[{low}, {high}] (best untrained head: {null})",
    ),
    Claim(
        id="induction.copying",
        sentence="The candidate's OV circuit copies the token it attends to.",
        relation="present",
        source="attributed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.copying_by_weights,
        null_is="97.5 % of Gaussian heads",
        measured="{head}'s OV circuit has an eigenvalue copying score of {value} on the embeddings as they reach the head, and "
        "{raw} on the raw embeddings (97.5 % of Gaussian heads: below {null})",
        clauses={"supported": ": it copies", "not supported": ": it does not copy, which requires {threshold}"},
    ),
    Claim(
        id="induction.ablation",
        sentence="Copying depends on the selected heads more than on other heads of the same layers.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.1),
        evidence=judge.gain_lost_without_heads,
        null_is="layer-matched random heads",
        measured="Zero ablation of {heads} changes accuracy on the second copy from {intact|percent} to {without|percent}. "
        "Mean ablation lowers the gain from the first copy by {alone} nats, **{value} nats** more [{low}, {high}] than mean "
        "ablation of other heads of the same layers (random sets, as large where possible: {sets}; they lower it by {null})",
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
        "[{low}, {high}] ({n} sequences; best other head: {null})",
    ),
    Claim(
        id="induction.and_gate",
        sentence="The previous-token head and the induction heads form an AND gate.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.5),
        evidence=judge.weakest_part_of_the_gate,
        null_is="nothing destroyed, nothing restored",
        measured="Corrupting {previous} destroys {needed} of the logit difference, and corrupting {induction} destroys "
        "{induction_needed}. Restoring {previous} alone brings back {alone}; restoring both brings back {both}. The smallest "
        "share that an AND gate requires is **{value}** [{low}, {high}]",
        clauses={
            "supported": ". The heads form an AND gate in series: {previous} alone can make the later heads attend to the "
            "right position, which still holds the wrong token; the later heads' clean outputs already include its effect"
        },
    ),
    Claim(
        id="induction.convergence",
        sentence="The prediction of the copy settles in the second half of the layers.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.depth_of_settling,
        null_is="settled before the first layer",
        figure="induction_logit_lens",
        measured="In the logit lens, the correct character's probability "
        "{% if likely %}exceeds one half after {likely} layers{% else %}never exceeds one half{% endif %} and ends at "
        "{final|percent}. The prediction settles after {layer} of {depth} layers on average ({value} of the depth "
        "[{low}, {high}])",
        clauses={"not supported": ", in the first half"},
    ),
    Claim(
        id="induction.cost",
        sentence="Patching every position and every head in both directions takes less than a minute per layer.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 60_000),
        evidence=judge.time_of_patching,
        null_is="free",
        kind="timing",
        measured="{value} ms per layer ({cells} patched runs in {seconds} s)",
        clauses={"not supported": ": slow"},
    ),
)
