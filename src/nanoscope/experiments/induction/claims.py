"""Experiment 01, the claims: what would count, written down before any run, and what is to be said under each verdict."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim
from nanoscope.experiments.induction.select import STRONG_ENOUGH

_HEAD_NULL = "the best head of untrained models of this shape"

CLAIMS = (
    Claim(
        id="induction.gain",
        sentence="The model uses the order of an earlier copy of a random sequence to predict its second copy.",
        criterion=Criterion(">=", 0.1),
        null_is="untrained models",
        prose={
            "supported": "A first copy of the same random characters raises the log-probability of the second by "
            "**{value} nats** per character [{low}, {high}] over the same characters in another order, and by {fresh} over "
            "other characters ({n} sequences).",
            "not supported": "A first copy of the same random characters changes the log-probability of the second by {value} "
            "nats per character [{low}, {high}] over the same characters in another order, and by {fresh} over other "
            "characters ({n} sequences): less than the {threshold} that would count.",
            "undecided": "A first copy of the same random characters changes the log-probability of the second by {value} "
            "nats per character [{low}, {high}] over the same characters in another order ({n} sequences), which decides "
            "nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="induction.accuracy",
        sentence="It predicts the second copy more often right than without a first one.",
        criterion=Criterion(">=", 0.05),
        null_is="untrained models",
        prose={
            "supported": "It predicts **{clean}** of the second copy right, against {corrupt} when the first copy was of "
            "other characters (bigram table: {bigram}, unigram: {unigram}).",
            "not supported": "It predicts {clean} of the second copy right and {corrupt} when the first copy was of other "
            "characters (bigram table: {bigram}, unigram: {unigram}): the copy gains less than {threshold}.",
            "undecided": "It predicts {clean} of the second copy right and {corrupt} when the first copy was of other "
            "characters; the difference of {value} [{low}, {high}] decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="induction.natural",
        sentence="It predicts a passage of real text better after a copy of it than after another passage.",
        criterion=Criterion(">=", 0.05),
        null_is="untrained models, on random sequences",
        prose={
            "supported": "A passage of real text is predicted **{value} nats** per character better the second time "
            "[{low}, {high}] than after another passage ({n} passages).",
            "not supported": "After a copy of it rather than another passage, a passage of real text gains {value} nats per "
            "character [{low}, {high}] ({n} passages): less than the {threshold} that would count.",
            "undecided": "After a copy of it rather than another passage, a passage of real text gains {value} nats per "
            "character [{low}, {high}] ({n} passages), which decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="induction.long_match",
        sentence="In ordinary text it uses an earlier occurrence of the last five characters.",
        criterion=Criterion(">=", 0.05),
        null_is="an overwritten occurrence changes nothing",
        prose={
            "supported": "In ordinary text, where the last five characters occurred before in the window, overwriting that "
            "occurrence costs **{value} nats** at the next character [{low}, {high}] ({n} places).",
            "not supported": "In ordinary text, where the last five characters occurred before in the window, overwriting "
            "that occurrence costs {value} nats at the next character [{low}, {high}] ({n} places): less than the "
            "{threshold} that would count.",
            "undecided": "In ordinary text, where the last five characters occurred before in the window, overwriting that "
            "occurrence costs {value} nats at the next character [{low}, {high}] ({n} places), which decides nothing at a "
            "threshold of {threshold}.",
        },
    ),
    Claim(
        id="induction.heads",
        sentence="At least one attention head is an induction head.",
        criterion=STRONG_ENOUGH,
        null_is=_HEAD_NULL,
        figure="induction_head_scores",
        prose={
            "supported": "**{head}** attends to what followed the current character's earlier occurrence: {value} above "
            "uniform attention [{low}, {high}] at the worst of the block lengths {lengths}; p = {p} over all heads; the "
            "best untrained head reaches {null}. Heads that pass: {count} ({all}).",
            "not supported": "The best candidate, {head}, attends to what followed the current character's earlier "
            "occurrence {value} above uniform [{low}, {high}] at the worst of the block lengths {lengths} "
            "(p = {p} over all heads; the best untrained head reaches {null}): below the {threshold} of an induction head.",
            "undecided": "The best candidate, {head}, reaches {value} above uniform attention [{low}, {high}] at the worst "
            "of the block lengths {lengths} (p = {p} over all heads), which decides nothing at a threshold of {threshold}; "
            "one block length alone could not tell tokens from distances.",
        },
    ),
    Claim(
        id="induction.absent",
        sentence="No head does induction at any block length: all are equivalent to uniform attention.",
        criterion=Criterion("within", 0.0, 0.05),
        null_is=_HEAD_NULL,
        prose={
            "supported": "All heads lie within {value} of uniform attention at every block length [{low}, {high}], inside the "
            "margin of 0.05 that was set for an absence.",
            "not supported": "Not all heads are equivalent to uniform attention (the farthest is {value} away at one block "
            "length [{low}, {high}], beyond the margin of 0.05).",
            "undecided": "Whether all heads are equivalent to uniform attention is not decided (the farthest is {value} away "
            "at one block length [{low}, {high}]; margin 0.05).",
        },
    ),
    Claim(
        id="induction.previous_token",
        sentence="At least one head attends to the previous token, as an induction circuit needs.",
        criterion=STRONG_ENOUGH,
        null_is=_HEAD_NULL,
        prose={
            "supported": "**{head}** is a previous-token head ({value} above uniform attention [{low}, {high}]; the best "
            "untrained head reaches {null}).",
            "not supported": "The best previous-token head, {head}, reaches only {value} above uniform attention [{low}, "
            "{high}] (the best untrained head: {null}).",
            "undecided": "The best previous-token head, {head}, reaches {value} above uniform attention [{low}, {high}].",
        },
    ),
    Claim(
        id="induction.copying",
        sentence="The candidate's OV circuit copies the token it attends to.",
        criterion=Criterion(">=", 0.3),
        null_is="97.5 % of Gaussian heads",
        prose={
            "supported": "{head}'s OV circuit copies: eigenvalue score {value} on the embeddings that reach it, {raw} on "
            "the raw ones (Gaussian heads: below {null}).",
            "not supported": "{head}'s OV circuit does not copy: eigenvalue score {value} on the embeddings that reach it, "
            "{raw} on the raw ones (Gaussian heads: below {null}).",
            "undecided": "Copying by weights is not judged: there is no induction head whose OV circuit it would be.",
        },
    ),
    Claim(
        id="induction.k_composition",
        sentence="The candidate's keys read the previous-token head's output.",
        criterion=Criterion(">=", 1.0),
        null_is="randomly rotated heads of the same spectra",
        prose={
            "supported": "{pair} compose through the keys: {score}, {value} times what {n} random rotations of the same "
            "heads give [{low}, {high}].",
            "not supported": "{pair} compose through the keys no more than random rotations of the same heads ({value} "
            "times [{low}, {high}]).",
            "undecided": "K-composition is not judged: there is no pair of a previous-token head and a later induction head, "
            "or it lies within what random rotations give ({pair}: {score}).",
        },
    ),
    Claim(
        id="induction.ablation",
        sentence="The copying depends on the selected heads, more than on others of the same layers.",
        criterion=Criterion(">=", 0.1),
        null_is="layer-matched random heads",
        prose={
            "supported": "Without {heads} (mean ablation) the copy's gain falls by {alone} nats; that is **{value} nats** more "
            "[{low}, {high}] than without other heads of the same layers ({sets}, as many heads where there are: {null}). "
            "With the heads zeroed, accuracy on the second copy goes from {intact} to {without}.",
            "not supported": "Without {heads} (mean ablation) the copy's gain falls by {alone} nats, {value} more [{low}, "
            "{high}] than without other heads of the same layers ({sets}, as many heads where there are): less than the "
            "{threshold} that would count. With the heads zeroed, accuracy on the second copy goes from {intact} to {without}.",
            "undecided": "Without {heads} (mean ablation) the copy's gain falls by {alone} nats; against other heads of the "
            "same layers ({sets}) the difference of {value} nats [{low}, {high}] decides nothing.",
        },
    ),
    Claim(
        id="induction.localised",
        sentence="The selected heads' outputs alone restore most of the difference between copy and no copy.",
        criterion=Criterion(">=", 0.5),
        null_is="the best other head",
        figure="induction_patching_effects",
        prose={
            "supported": "Patched into the corrupt run, the clean outputs of {heads} alone restore **{value}** of the logit "
            "difference [{low}, {high}] ({n} sequences; the best other head: {null}).",
            "not supported": "Patched into the corrupt run, the clean outputs of {heads} restore only {value} of the logit "
            "difference [{low}, {high}] ({n} sequences; the best other head: {null}).",
            "undecided": "Patching does not decide the part of {heads}{share}. The copy changes the logit difference by "
            "{difference} logits in all; where that is less than ten standard errors, there is nothing to localise.",
        },
    ),
    Claim(
        id="induction.and_gate",
        sentence="The previous-token head and the induction heads form an AND gate.",
        criterion=Criterion(">=", 0.5),
        null_is="nothing destroyed, nothing restored",
        prose={
            "supported": "The parts form an AND gate, in series. Corrupting either destroys the behaviour ({previous}: "
            "{needed}, {induction}: {induction_needed} of the difference), so both are needed. Restoring {previous} alone "
            "brings back {alone}: it can make the later heads look at the right place, which still holds the wrong token. "
            "The later heads' clean outputs already carry its work, so they are enough; both together give {both}.",
            "not supported": "No AND gate shows: corrupting {previous} destroys {needed} and {induction} {induction_needed} of "
            "the difference, restoring {previous} alone brings back {alone} and both {both}.",
            "undecided": "Whether the parts form an AND gate is not decided: {why}.",
        },
    ),
    Claim(
        id="induction.convergence",
        sentence="The prediction of the copy settles in the second half of the layers.",
        criterion=Criterion(">=", 0.5),
        null_is="settled before the first layer",
        figure="induction_logit_lens",
        prose={
            "supported": "Read through the logit lens, the prediction settles after {layer} of {depth} layers on average "
            "({value} of the depth [{low}, {high}]); the right character's probability exceeds one half {half} and ends "
            "at {final}.",
            "not supported": "Read through the logit lens, the prediction settles early, after {layer} of {depth} layers on "
            "average ({value} of the depth [{low}, {high}]); the right character's probability exceeds one half {half} "
            "and ends at {final}.",
            "undecided": "When the copy's prediction settles is not decided: {why} (the lens's top character is the model's "
            "from {layer} of {depth} layers on; the right one ends at {final}).",
        },
    ),
    Claim(
        id="induction.cost",
        sentence="Patching every position and every head, both ways, costs less than a minute per layer.",
        criterion=Criterion("<=", 60_000),
        null_is="free",
        kind="timing",
        prose={
            "supported": "{value} ms per layer ({cells} patched runs in {seconds} s).",
            "not supported": "{value} ms per layer ({cells} patched runs in {seconds} s): slow.",
            "undecided": "{value} ms per layer ({cells} patched runs in {seconds} s).",
        },
    ),
)
