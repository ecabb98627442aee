"""Experiment 00, the claims, declared before any run: their criteria, and the words for the results.

Why these thresholds. Context: 0.02 nats is twice what the experiment calls an unused context, and what `emergence` asks of
in-context learning. Layers: 0.3 nats is about what the fourth character adds to a table of trigrams on tiny Shakespeare
(2.06 against 1.79). Tables: 0.05 nats is what `lenses` asks of a prediction that goes beyond a table.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.profile import judge

CLAIMS = (
    Claim(
        id="profile.context",
        sentence="What stands more than sixteen tokens back helps the model to predict.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.02),
        evidence=judge.reads_far,
        null_is="a model that reads no further",
        figure="profile_parts",
        measured="With the context cut to its last 16 tokens, the model loses **{value} nats** [{low}, {high}] per token of "
        "held-out text ({training} on training text; a hand-built copying model, on text that repeats itself: {control}). By "
        "length: {by_length|each('{} {:.3f}')|join(', ')}",
        clauses={
            "not supported": ": what stands further back is not worth the 0.02 that would count",
            "straddles the criterion": ", which leaves open whether what stands further back is worth 0.02",
        },
    ),
    Claim(
        id="profile.layers",
        sentence="The model needs its attention above layer 0.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.3),
        evidence=judge.upper_heads,
        null_is="heads whose output never changes",
        figure="profile_parts",
        measured="Without all heads above layer 0 the model loses **{value} nats** [{low}, {high}] per token ({training} on "
        "training text; a hand-built copying model: {control}), without those of layer 0 {lowest}. {kept} of {heads} heads are "
        "enough for nine tenths of what all are worth",
        clauses={"not supported": ": less than the 0.3 that would count"},
    ),
    Claim(
        id="profile.tables",
        sentence="The model predicts better than any table of n-grams of its training text.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=judge.beyond_tables,
        null_is="the best table",
        figure="profile_tables",
        measured="On held-out text the model's loss is **{value} nats** [{low}, {high}] below that of the best table, the "
        "{best} ({model} against {table}; a hand-built copying model, on text that repeats itself: {control}). Both have the "
        "same first choice at {same|percent(0)} of the places",
        clauses={"not supported": ": less than the 0.05 that would count"},
    ),
)
